// The stream of published messages and the once-a-second status; comes back by itself.

const RETRY = 1000 // ms
const SILENCE = 3500 // ms without a status after which the daemon is taken to be gone

export function connect({ onMessage, onGone }) {
  let socket = null
  let heard = 0
  const open = () => {
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`)
    socket.binaryType = "arraybuffer"
    socket.onmessage = event => {
      heard = Date.now()
      onMessage(MessagePack.decode(new Uint8Array(event.data)))
    }
    socket.onclose = event => {
      onGone(event.reason)
      setTimeout(open, RETRY)
    }
  }
  setInterval(() => {
    if (socket.readyState === WebSocket.OPEN && heard && Date.now() - heard > SILENCE) socket.close()
  }, RETRY)
  open()
}

// Numbers of an array as it is on the wire: {dtype, shape, data}, or nested lists.
export function numbers(array) {
  if (array == null || Array.isArray(array)) return array == null ? [] : array.flat(Infinity)
  const bytes = array.data.slice() // aligned
  return array.dtype === "<f4" ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer)
}

// Prints a joint angle of everybody as it is published: node angles.mjs [ADDRESS] [COORDINATE] [COUNT]

import { decode } from "@msgpack/msgpack"
import { Subscriber } from "zeromq"

const [address = "tcp://127.0.0.1:5571", coordinate = "knee_angle_r", count = Infinity] = process.argv.slice(2)

// An array as it is on the wire: {dtype, shape, data}, or nested lists.
const numbers = array => {
  if (Array.isArray(array)) return array.flat(Infinity)
  const bytes = array.data.slice()
  return array.dtype === "<f4" ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer)
}

const socket = new Subscriber({ linger: 0 })
socket.connect(address)
socket.subscribe("model/", "kinematics/")
const places = new Map()
let heard = 0
for await (const [topic, payload] of socket) {
  const message = decode(payload)
  const who = topic.toString().split("/").slice(1).join("/")
  if (message.type === "model") places.set(who, message.coordinates.indexOf(coordinate))
  else if (places.has(who)) {
    const q = numbers(message.q)[places.get(who)], sd = numbers(message.sd)[places.get(who)]
    const degrees = x => (x * 180 / Math.PI).toFixed(1)
    console.log(`${message.t.toFixed(3)} s  ${who}  ${coordinate} ${degrees(q)} +- ${degrees(sd)} deg  ${message.state}`)
    if (++heard >= Number(count)) break
  }
}
socket.close()

// The buttons: what control offers, on the daemon's own machine.

const token = document.querySelector("meta[name=token]").content

export function setUp({ panel, calibrate, seconds, record, answer, session, recording }) {
  if (!token) return
  panel.hidden = false
  const press = async (button, fields, said) => {
    button.disabled = true
    try {
      const reply = await fetch("control", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Streamfit-Token": token },
        body: JSON.stringify({ session: session(), ...fields }),
      })
      const text = await reply.text()
      const done = reply.ok ? JSON.parse(text) : { ok: false, error: text }
      answer.textContent = done.ok ? said(done.result) : done.error
    } catch {
      answer.textContent = "The daemon does not answer."
    }
    button.disabled = false
  }
  calibrate.onclick = () => press(calibrate, { operation: "calibrate", seconds: Number(seconds.value) },
    result => `Fitting the body to the last ${result.seconds.toFixed(0)} s …`)
  record.onclick = () => press(record, { operation: "record", on: !recording() },
    result => result.file ? `Recording to ${result.file}` : "Recording has stopped.")
}

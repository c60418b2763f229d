// The live page: messages in, the panels that show them.

import * as actions from "./actions.js"
import { connect, numbers } from "./connection.js"
import { cameras, counts, notice, Steps } from "./panels.js"
import { Scene } from "./scene.js"
import { Traces } from "./traces.js"

const $ = id => document.getElementById(id)
const scene = new Scene(document.querySelector("#scene canvas"))
const traces = new Traces($("traces"))
const steps = new Steps($("steps"))
const ingest = document.querySelector("meta[name=ingest]").content
const models = new Map() // "session/person" -> coordinates, units
let status = null, gone = false, shown = null, fresh = false

const chosen = () => $("session").value && $("person").value && `${$("session").value}/${$("person").value}`
const session = () => status?.sessions[$("session").value]

// Keep a menu's choice while what it offers changes.
const offer = (menu, names) => {
  const before = menu.value
  if ([...menu.options].map(o => o.value).join("\n") !== names.join("\n")) {
    menu.replaceChildren(...names.map(name => new Option(name, name)))
    if (names.includes(before)) menu.value = before
  }
}

// Begin anew where another person is shown than before.
const follow = async () => {
  const who = chosen()
  if (!who || who === shown || !models.has(who)) return
  shown = who
  steps.clear()
  traces.begin(models.get(who).coordinates, models.get(who).units)
  const answer = await fetch(`scene/${encodeURIComponent($("session").value)}`)
  if (answer.ok && shown === who) scene.fix(await answer.json())
}

const onStatus = message => {
  status = message
  offer($("session"), Object.keys(status.sessions))
  offer($("person"), Object.keys(session()?.persons ?? {}))
  follow()
  words()
}

const words = () => {
  const current = session(), state = current?.persons[$("person").value] ?? ""
  $("daemon").textContent = gone ? "no answer" : status ? `${status.state}, up ${Math.round(status.uptime)} s` : "connecting …"
  $("person-state").textContent = gone ? "" : state
  $("person-state").className = `badge ${state}`
  const ms = value => value == null ? "–" : (1000 * value).toFixed(1)
  $("latency").textContent = current
    ? `${current.fps.toFixed(0)} instants/s, latency ${ms(current.latency_p50)} ms (99 %: ${ms(current.latency_p99)} ms)` : ""
  const said = notice(status, current, gone, ingest)
  $("notice").hidden = !said.length
  $("notice").replaceChildren(...said.map(text => Object.assign(document.createElement("p"), { textContent: text })))
  $("alarms").replaceChildren(...(gone ? [] : status?.alarms ?? []).map(text =>
    Object.assign(document.createElement("li"), { textContent: text })))
  cameras($("cameras"), current)
  const unused = counts(current?.rejected)
  $("counts").textContent = [unused && `not used: ${unused}`, current?.skipped && `skipped: ${current.skipped}`,
    current?.calibration && `calibration: ${current.calibration.state}`].filter(Boolean).join("; ")
  $("record").textContent = current?.recording ? "Stop recording" : "Record"
}

const onMessage = message => {
  gone = false
  const who = `${message.session}/${message.person}`
  if (message.type === "status") return onStatus(message)
  if (message.type === "model") {
    models.set(who, message)
    return follow()
  }
  if (who !== shown) return
  if (message.type === "kinematics") traces.add(message.t, numbers(message.q), numbers(message.sd))
  else if (message.type === "bodies") scene.move(numbers(message.position), numbers(message.keypoints))
  else if (message.type === "gait") traces.event(message)
  else if (message.type === "steps") steps.add(message)
  fresh = true
}

const frame = () => {
  if (fresh) {
    fresh = false
    scene.draw()
    traces.draw()
  }
  requestAnimationFrame(frame)
}

for (const menu of ["session", "person"]) $(menu).onchange = () => status && onStatus(status)
actions.setUp({
  panel: $("actions"), calibrate: $("calibrate"), seconds: $("seconds"), record: $("record"), answer: $("answer"),
  session: () => $("session").value, recording: () => Boolean(session()?.recording),
})
connect({
  onMessage,
  onGone: () => {
    gone = true
    shown = null // a daemon that comes back may have other sessions
    words()
  },
})
requestAnimationFrame(frame)

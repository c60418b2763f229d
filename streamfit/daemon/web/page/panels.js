// Tables and words: steps, cameras, what is wrong, and what to do where nothing arrives.

const KEPT = 6
const number = (value, digits = 1) => value == null || Number.isNaN(value) ? "–" : value.toFixed(digits)

export function table(element, header, rows) {
  const line = (cells, kind) => {
    const row = document.createElement("tr")
    row.append(...cells.map(text => Object.assign(document.createElement(kind), { textContent: text })))
    return row
  }
  element.replaceChildren(line(header, "th"), ...rows.map(cells => line(cells, "td")))
}

export class Steps {
  constructor(element) {
    this.element = element
    this.clear()
  }

  clear() {
    this.steps = []
    this.draw()
  }

  add(step) {
    this.steps = [step, ...this.steps].slice(0, KEPT)
    this.draw()
  }

  draw() {
    const cm = value => number(value == null ? null : 100 * value, 0)
    table(this.element, ["side", "t, s", "step, cm", "stride, cm", "width, cm", "step, s", "stance, s", "steps/min", "m/s"],
      this.steps.map(s => [s.side, number(s.t, 2), cm(s.step_length), cm(s.stride_length), cm(s.step_width),
        number(s.step_time, 2), number(s.stance_time, 2), number(s.cadence, 0), number(s.speed, 2)]))
  }
}

export function cameras(element, session) {
  const ms = value => number(value == null ? null : 1000 * value, 1)
  table(element, ["camera", "views/s", "late", "dropped", "residual, px", "clock, ms"],
    Object.entries(session?.cameras ?? {}).map(([name, c]) =>
      [name, number(c.rate, 0), c.late, c.dropped, number(c.rms_px), ms(c.offset_t)]))
}

export const counts = map => Object.entries(map ?? {}).map(([reason, count]) => `${reason}: ${count}`).join(", ")

// What to say, as paragraphs, where there is nothing to see; none where there is.
export function notice(status, session, gone, ingest) {
  if (gone) return ["The daemon does not answer. Trying again …", "Is `streamfit serve` running on this machine and port?"]
  if (!status) return []
  if (status.state === "starting") return ["The daemon is starting. The first start compiles, for some seconds."]
  if (status.state === "stopping") return ["The daemon is stopping."]
  const refused = counts(status.rejected)
  const reasons = refused ? [`Messages come, but cannot be used: ${refused}. The log and tools/monitor.py say more.`] : []
  if (!session) {
    return [`Nothing arrives yet. Detectors push keypoints to ${ingest}.`, ...reasons,
      "Is one running, and does it send to this address? tools/replay.py SESSION.mcap plays a recording."]
  }
  const unused = counts(session.rejected)
  if (session.answered === 0) {
    return ["Views arrive, but nobody has been fitted.", ...(unused ? [`Not used: ${unused}.`] : []),
      "At least two cameras must see the person, and the calibration must be that of these cameras."]
  }
  if (session.fps < 0.5) return ["Nothing arrives any more. Are the detectors still running?"]
  return []
}

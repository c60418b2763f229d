// Angles over the last seconds, right and left, with their 95 % intervals and the foot events.

const SECONDS = 6
const DEGREES = 180 / Math.PI
const CHOICE = ["hip_flexion", "knee_angle", "ankle_angle"]
const HEIGHT = 150

const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
const faded = name => `color-mix(in srgb, ${color(name)} 18%, transparent)`

export class Traces {
  constructor(place) {
    this.place = place
    this.rows = []
    this.events = []
    this.charts = []
    new ResizeObserver(() => this.charts.forEach(c => c.plot.setSize(this._size()))).observe(place)
  }

  // The coordinates of the person that is shown.
  begin(coordinates, units) {
    this.rows = []
    this.events = []
    if (this.coordinates?.join() === coordinates.join()) return
    this.coordinates = coordinates
    this.units = units
    const names = [...new Set(coordinates.map(name => name.replace(/_[rl]$/, "")))]
    this.place.replaceChildren()
    this.charts = CHOICE.map(name => names.includes(name) ? name : names[0]).map(name => this._chart(name, names))
  }

  add(t, q, sd) {
    if (this.rows.length && t <= this.rows.at(-1).t) this.rows = []
    this.rows.push({ t, q, sd })
    while (this.rows[0].t < t - SECONDS) this.rows.shift()
  }

  event(event) {
    this.events.push(event)
    while (this.events.length > 40) this.events.shift()
  }

  draw() {
    if (!this.rows.length) return
    const end = this.rows.at(-1).t
    const t = this.rows.map(row => row.t - end)
    for (const { plot, name } of this.charts) {
      const columns = ["_r", "_l"].map(side => this.coordinates.indexOf(name + side))
      if (columns[0] < 0) columns[0] = this.coordinates.indexOf(name)
      const factor = this.units[columns[0]] === "rad" ? DEGREES : 100
      const lines = columns.flatMap(i => [0, 1.96, -1.96].map(z =>
        this.rows.map(row => i < 0 || Number.isNaN(row.sd[i]) ? null : factor * (row.q[i] + z * row.sd[i]))))
      plot.end = end
      plot.setData([t, ...lines], false)
      plot.setScale("x", { min: -SECONDS, max: 0 })
      plot.redraw(false, true)
    }
  }

  _size() {
    return { width: Math.max(this.place.clientWidth, 200), height: HEIGHT }
  }

  _chart(name, names) {
    const box = document.createElement("div"), label = document.createElement("label")
    const choose = document.createElement("select"), unit = document.createElement("span")
    box.className = "trace"
    choose.append(...names.map(n => new Option(n.replaceAll("_", " "), n, false, n === name)))
    choose.setAttribute("aria-label", "coordinate")
    label.append(choose, unit)
    box.append(label)
    this.place.append(box)
    const chart = { name }
    const say = () => {
      const i = Math.max(this.coordinates.indexOf(chart.name), this.coordinates.indexOf(chart.name + "_r"))
      unit.textContent = this.units[i] === "rad" ? " deg" : " cm"
    }
    choose.onchange = () => {
      chart.name = choose.value
      say()
      this.draw()
    }
    say()
    const line = side => [
      { stroke: () => color(side), width: 2, points: { show: false } },
      { stroke: "transparent", points: { show: false } },
      { stroke: "transparent", points: { show: false } },
    ]
    const axis = { stroke: () => color("--faint"), grid: { stroke: () => color("--line"), width: 1 }, ticks: { show: false } }
    chart.plot = new uPlot({
      ...this._size(),
      cursor: { show: false },
      legend: { show: false },
      scales: { x: { time: false }, y: { range: (_, low, high) => this._range(low, high) } },
      axes: [{ ...axis, values: (_, ticks) => ticks.map(s => `${s} s`) }, { ...axis, size: 45 }],
      series: [{}, ...line("--right"), ...line("--left")],
      bands: [
        { series: [2, 3], fill: () => faded("--right") },
        { series: [5, 6], fill: () => faded("--left") },
      ],
      hooks: { drawAxes: [plot => this._drawEvents(plot)] },
    }, [[], ...Array(6).fill([])], box)
    return chart
  }

  _range(low, high) {
    if (low == null) return [-10, 10]
    const middle = (low + high) / 2, half = Math.max((high - low) / 2, 5) * 1.05
    return [middle - half, middle + half]
  }

  // Strikes are whole lines, offs dashed.
  _drawEvents(plot) {
    if (plot.end === undefined) return
    const g = plot.ctx, { top, height, left, width } = plot.bbox
    g.save()
    g.lineWidth = 1.5 * devicePixelRatio
    for (const event of this.events) {
      const x = plot.valToPos(event.t - plot.end, "x", true)
      if (x < left || x > left + width) continue
      g.strokeStyle = color(event.side === "right" ? "--right" : "--left")
      g.setLineDash(event.event === "foot_strike" ? [] : [4, 4])
      g.beginPath()
      g.moveTo(x, top)
      g.lineTo(x, top + height)
      g.stroke()
    }
    g.restore()
  }
}

// The skeleton among the cameras on the floor, drawn with the canvas' own lines: it has some hundred of them, for which
// a 3D library of two megabytes and a graphics card would be asked for much.

const NEAR = 0.1
const SPACING = 0.5 // m, of the floor's grid
const FRUSTUM = 0.35 // m
const CLOSE = 1.5 // m

const color = name => getComputedStyle(document.documentElement).getPropertyValue(name)

export class Scene {
  constructor(canvas) {
    this.canvas = canvas
    this.turn = 0.6
    this.lift = 0.25
    this.distance = null
    this.fixed = null
    this.pose = null
    this.floor = 0
    this.centre = [0, 0.9, 0]
    this._listen()
    new ResizeObserver(() => this.draw()).observe(canvas)
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw())
  }

  // What does not move: see /scene/SESSION.
  fix(fixed) {
    this.fixed = fixed
    this.pose = null
    const up = v => fixed.to_ground.map(row => row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
    this.toGround = up
    this.cameras = fixed.cameras.map(c => ({ ...c, centre: up(c.centre), axes: c.axes.map(up) }))
    const mean = k => this.cameras.reduce((sum, c) => sum + c.centre[k], 0) / this.cameras.length
    this.centre = [mean(0), 0.9, mean(2)]
    const reach = Math.max(...this.cameras.map(c => Math.hypot(c.centre[0] - mean(0), c.centre[2] - mean(2))))
    this.distance ??= Math.min(1.5 * Math.max(reach, 2), 6)
    this.floor = null
    this.draw()
  }

  // Bodies and keypoints (flat, world, m).
  move(position, keypoints) {
    if (!this.fixed) return
    const points = flat => Array.from({ length: flat.length / 3 }, (_, i) =>
      this.toGround([flat[3 * i], flat[3 * i + 1], flat[3 * i + 2]]))
    this.pose = { bodies: points(position), keypoints: points(keypoints) }
    const lowest = Math.min(...this.pose.bodies.map(p => p[1]))
    this.floor = this.floor === null ? lowest : Math.min(lowest, this.floor + 0.0005)
    const pelvis = this.pose.bodies[0]
    this.centre = this.centre.map((x, k) => x + 0.1 * ((k === 1 ? this.floor + 0.9 : pelvis[k]) - x))
  }

  draw() {
    const canvas = this.canvas, ratio = devicePixelRatio || 1
    const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio].map(Math.round)
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
    const g = canvas.getContext("2d")
    g.clearRect(0, 0, width, height)
    if (!this.fixed) return
    this._look(width, height)
    g.lineWidth = ratio
    g.strokeStyle = color("--line")
    this._grid(g)
    g.fillStyle = g.strokeStyle = color("--faint")
    g.font = `${11 * ratio}px system-ui`
    for (const camera of this.cameras) this._camera(g, camera)
    if (this.pose) this._person(g, ratio)
  }

  _look(width, height) {
    const [ct, st, cl, sl] = [Math.cos(this.turn), Math.sin(this.turn), Math.cos(this.lift), Math.sin(this.lift)]
    const right = [ct, 0, -st], ahead = [-st * cl, -sl, -ct * cl]
    const up = [-st * sl, cl, -ct * sl]
    const eye = this.centre.map((x, k) => x - this.distance * ahead[k])
    const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    const focal = 1.3 * Math.min(width, height)
    this.view = p => {
      const d = [p[0] - eye[0], p[1] - eye[1], p[2] - eye[2]]
      return [dot(d, right), dot(d, up), dot(d, ahead)]
    }
    this.screen = v => [width / 2 + focal * v[0] / v[2], height / 2 - focal * v[1] / v[2]]
  }

  _line(g, a, b) {
    let [u, v] = [this.view(a), this.view(b)]
    if (u[2] < NEAR && v[2] < NEAR) return
    if (u[2] < NEAR) [u, v] = [v, u]
    if (v[2] < NEAR) {
      const share = (u[2] - NEAR) / (u[2] - v[2])
      v = u.map((x, k) => x + share * (v[k] - x))
    }
    g.beginPath()
    g.moveTo(...this.screen(u))
    g.lineTo(...this.screen(v))
    g.stroke()
  }

  _grid(g) {
    const [x, z] = [0, 2].map(k => SPACING * Math.round(this.centre[k] / SPACING))
    const reach = 3, y = this.floor ?? 0
    for (let s = -reach; s <= reach; s += SPACING) {
      this._line(g, [x + s, y, z - reach], [x + s, y, z + reach])
      this._line(g, [x - reach, y, z + s], [x + reach, y, z + s])
    }
  }

  _camera(g, { name, centre, axes, field }) {
    const v = this.view(centre)
    if (v[2] < CLOSE) return // it would hide the person
    const corner = (sx, sy) => centre.map((c, k) =>
      c + FRUSTUM * (axes[2][k] + sx * field[0] * axes[0][k] + sy * field[1] * axes[1][k]))
    const corners = [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)]
    corners.forEach((p, i) => {
      this._line(g, centre, p)
      this._line(g, p, corners[(i + 1) % 4])
    })
    g.fillText(name, ...this.screen(v))
  }

  _person(g, ratio) {
    const { bodies, parents } = this.fixed, ink = color("--ink")
    const side = { r: color("--right"), l: color("--left") }
    g.lineCap = "round"
    g.lineWidth = 4 * ratio
    parents.forEach((parent, i) => {
      if (parent < 0) return
      g.strokeStyle = side[/_([rl])$/.exec(bodies[i])?.[1]] ?? ink
      this._line(g, this.pose.bodies[parent], this.pose.bodies[i])
    })
    g.fillStyle = ink
    for (const p of this.pose.keypoints) {
      const v = this.view(p)
      if (v[2] < NEAR) continue
      const [x, y] = this.screen(v)
      g.beginPath()
      g.arc(x, y, 2 * ratio, 0, 7)
      g.fill()
    }
  }

  _listen() {
    const down = new Map()
    const spread = () => {
      const [a, b] = [...down.values()]
      return Math.hypot(a.x - b.x, a.y - b.y)
    }
    const zoom = factor => {
      this.distance = Math.min(Math.max(this.distance * factor, 1), 40)
      this.draw()
    }
    this.canvas.addEventListener("pointerdown", event => {
      this.canvas.setPointerCapture(event.pointerId)
      down.set(event.pointerId, { x: event.clientX, y: event.clientY })
    })
    this.canvas.addEventListener("pointermove", event => {
      const last = down.get(event.pointerId)
      if (!last) return
      const before = down.size === 2 ? spread() : 0
      down.set(event.pointerId, { x: event.clientX, y: event.clientY })
      if (down.size === 2) return zoom(before / Math.max(spread(), 1))
      this.turn -= 0.01 * (event.clientX - last.x)
      this.lift = Math.min(Math.max(this.lift + 0.01 * (event.clientY - last.y), -0.2), 1.5)
      this.draw()
    })
    for (const kind of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(kind, event => down.delete(event.pointerId))
    }
    this.canvas.addEventListener("wheel", event => {
      event.preventDefault()
      zoom(Math.exp(0.001 * event.deltaY))
    }, { passive: false })
  }
}

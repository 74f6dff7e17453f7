"use strict";
// The script of the page. It sets text by textContent only: what the data holds
// is somebody else's.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const WINDOW = 60; // ops drawn before and behind the crash point
  const NEAR = 12;   // ops listed before and behind it
  const ROWS = 150;  // cells listed
  const el = (name, cls, text) => {
    const e = document.createElement(name);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const sv = (name, attrs, parent) => {
    const e = document.createElementNS(SVG, name);
    for (const k in attrs) e.setAttribute(k, attrs[k]);
    if (parent) parent.append(e);
    return e;
  };

  class Part {
    constructor(section) {
      this.section = section;
      const q = (s) => section.querySelector(s);
      this.live = q(".live");
      this.slider = q("input[type=range]");
      this.output = q("output");
      this.where = q(".where");
      this.fold = q("details.fold");
      this.timeline = q(".timeline");
      this.rows = q(".rows");
      this.column = 0; // pixels of an op; 0: as many as fill the box
      this.opsList = q(".ops");
      this.body = q(".cells tbody");
      this.more = q(".more");
      this.told = q(".told");
      this.buttons = [...section.querySelectorAll("button.go")];
      this.point = -1;
      this.failure = -1;
      this.slider.addEventListener("input", () => this.show(Number(this.slider.value), -1));
      this.buttons.forEach((b, i) => {
        b.hidden = false;
        b.addEventListener("click", () => { this.open(); this.showFailure(i); });
      });
      const zooms = { ".out": () => this.zoom(1 / 1.5), ".in": () => this.zoom(1.5), ".fit": () => { this.column = 0; this.drawTimeline(); } };
      for (const z in zooms) q(".zoom " + z).addEventListener("click", zooms[z]);
      this.fold.addEventListener("toggle", () => { if (this.fold.open) { this.open(); current = this; if (this.data) this.drawTimeline(); } });
      section.addEventListener("focusin", () => { current = this; });
      section.addEventListener("pointerdown", () => { current = this; });
    }
    zoom(by) {
      this.column = Math.max(8, Math.min(160, this.width * by));
      this.drawTimeline();
    }
    // open reads the data when the part is first looked at.
    open() {
      if (this.data) return;
      const d = JSON.parse(this.section.querySelector("script.data").textContent);
      this.data = d;
      this.high = new Int32Array(d.cells.length);
      this.low = new Int32Array(d.cells.length);
      this.at = -1;
      this.versions = d.cells.map(() => []); // by cell: what made each version
      d.ops.forEach((op, i) => (op.e || []).forEach((e, k) => { this.versions[e.c][e.v] = { op: i, index: k, what: e.w }; }));
      this.live.hidden = false;
      if (d.failures.length) this.showFailure(0); else this.show(d.points.length - 1, -1);
    }
    // seek makes high and low those of a point.
    seek(point) {
      const apply = (p) => {
        const h = p.h || [], l = p.l || [];
        for (let i = 0; i < h.length; i += 2) this.high[h[i]] = h[i + 1];
        for (let i = 0; i < l.length; i += 2) this.low[l[i]] = l[i + 1];
      };
      if (point < this.at) { this.high.fill(0); this.low.fill(0); this.at = -1; }
      while (this.at < point) apply(this.data.points[++this.at]);
    }
    showFailure(i) {
      const f = this.data.failures[i];
      if (f) this.show(f.p, i);
    }
    show(point, failure) {
      this.open();
      const d = this.data;
      point = Math.max(0, Math.min(d.points.length - 1, point));
      this.point = point;
      this.failure = failure;
      this.slider.value = String(point);
      this.output.textContent = point + " of " + (d.points.length - 1);
      this.seek(point);
      this.lost = new Set();      // "op.index" of effects
      this.newest = new Map();    // cell: the newest version that is on the disk
      if (failure >= 0) {
        for (const [op, index] of d.failures[failure].l) {
          this.lost.add(op + "." + index);
          const e = d.ops[op].e[index];
          const v = this.newest.get(e.c);
          if (v === undefined || e.v - 1 < v) this.newest.set(e.c, e.v - 1);
        }
      }
      const after = d.points[point].a;
      this.after = after;
      const op = d.ops[after];
      const text = after < 0 ? "before the first op" : "after op " + (after + 1) + ": " + op.t + (op.s ? " (" + op.s + ")" : "");
      this.where.textContent = "Power is cut " + text + (failure >= 0 ? ". This is failure " + (failure + 1) + " of " + d.failures.length + "." : "");
      this.slider.setAttribute("aria-valuetext", text);
      this.buttons.forEach((b, i) => b.setAttribute("aria-pressed", String(i === failure)));
      this.told.textContent = this.toldText(after);
      this.drawTimeline();
      this.listOps();
      this.listCells();
    }
    toldText(after) {
      const marks = this.data.ops.slice(0, after + 1).filter((o) => o.k === "mark").map((o) => o.t.replace(/^mark /, ""));
      if (!marks.length) return "The program has made no mark yet.";
      const last = marks.slice(-5).join(", ");
      return "The program has made these marks: " + (marks.length > 5 ? "(" + (marks.length - 5) + " more) " : "") + last + ".";
    }
    // fate says what a crash here may do to an op.
    fate(i) {
      const op = this.data.ops[i];
      if (i > this.after) return "later";
      const effects = op.e || [];
      if (!effects.length) return "done";
      if (effects.some((e, k) => this.lost.has(i + "." + k))) return "lost";
      if (this.failure >= 0) return "kept";
      return effects.some((e) => e.v > this.low[e.c]) ? "open" : "forced";
    }
    drawTimeline() {
      const d = this.data, GAP = 32, TOP = 26, END = 24, COL = 26;
      if (!this.timeline.clientWidth) return; // it is folded: toggling draws it
      const from = Math.max(0, this.after - WINDOW), to = Math.min(d.ops.length, this.after + WINDOW + 1), n = Math.max(1, to - from);
      const lanes = [];
      for (let i = from; i < to; i++) if (!lanes.includes(d.ops[i].l)) lanes.push(d.ops[i].l);
      lanes.sort((a, b) => a - b);
      const box = this.timeline.clientWidth;
      const col = this.width = this.column || Math.max(COL, (box - END) / n);
      const w = Math.max(box, Math.ceil(END + col * n)), h = TOP + GAP * lanes.length + 22;
      const svg = sv("svg", { width: w, height: h, viewBox: "0 0 " + w + " " + h, role: "img" });
      sv("title", {}, svg).textContent = "Ops " + (from + 1) + " to " + to + " of " + d.ops.length;
      this.rows.replaceChildren(...lanes.map((lane) => {
        const name = el("div", "", d.lanes[lane]);
        name.title = d.lanes[lane];
        return name;
      }));
      lanes.forEach((lane, k) => {
        const y = TOP + k * GAP + 8;
        sv("line", { x1: 0, x2: w, y1: y, y2: y, stroke: "currentColor", "stroke-opacity": ".2" }, svg);
      });
      for (let i = from; i < to; i++) this.drawOp(svg, i, END / 2 + col / 2 + (i - from) * col, TOP + lanes.indexOf(d.ops[i].l) * GAP + 8, h);
      const x = END / 2 + col * (this.after + 1 - from);
      sv("line", { x1: x, x2: x, y1: 4, y2: h - 18, stroke: "var(--bad)", "stroke-width": 2, "stroke-dasharray": "5 3" }, svg);
      const left = x + 70 > w; // else the words would be cut off
      const cut = sv("text", { x: left ? x - 4 : x + 4, y: 12, "text-anchor": left ? "end" : "start", class: "cut" }, svg);
      cut.textContent = "power cut";
      this.timeline.replaceChildren(svg);
      this.timeline.scrollLeft = Math.max(0, x - this.timeline.clientWidth * 0.6);
    }
    drawOp(svg, i, x, y, h) {
      const op = this.data.ops[i], fate = this.fate(i);
      const g = sv("g", { class: "op", opacity: fate === "later" ? ".3" : "1" }, svg);
      sv("title", {}, g).textContent = (i + 1) + ". " + op.t + (op.s ? " (" + op.s + ")" : "") + (fate === "open" ? ": may be lost" : fate === "done" || fate === "later" ? "" : ": " + fate);
      sv("rect", { x: x - this.width / 2, y: y - 14, width: this.width, height: 28, fill: "transparent" }, g);
      const hollow = fate === "open" ? { fill: "var(--card)", stroke: "currentColor", "stroke-width": 1.5, "stroke-dasharray": "3 2" } : { fill: "currentColor" };
      if (op.k === "data") sv("rect", { x: x - 7, y: y - 7, width: 14, height: 14, rx: 2, ...hollow }, g);
      else if (op.k === "name") sv("circle", { cx: x, cy: y, r: 7, ...(fate === "open" ? hollow : { fill: "var(--card)", stroke: "currentColor", "stroke-width": 4 }) }, g);
      else if (op.k === "sync") sv("path", { d: "M" + x + " " + (y - 9) + "l9 9l-9 9l-9-9z", fill: op.f ? "var(--bad)" : "var(--mark)" }, g);
      else if (op.k === "mark") sv("path", { d: "M" + (x - 4) + " " + (y - 9) + "v18m0-18l10 5l-10 5", fill: "var(--odd)", stroke: "var(--odd)", "stroke-width": 2 }, g);
      else sv("circle", { cx: x, cy: y, r: 2.5, fill: "currentColor" }, g);
      if (fate === "lost") sv("path", { d: "M" + (x - 9) + " " + (y - 9) + "l18 18m0-18l-18 18", stroke: "var(--bad)", "stroke-width": 3 }, g);
      if ((i + 1) % 5 === 0 || this.width >= 24) { const t = sv("text", { x, y: h - 6, "text-anchor": "middle" }, svg); t.textContent = String(i + 1); }
      g.addEventListener("click", () => this.show(this.pointAfter(i), -1));
    }
    // pointAfter returns the last crash point behind an op.
    pointAfter(i) {
      const pts = this.data.points;
      let lo = 0, hi = pts.length - 1;
      while (lo < hi) { const mid = (lo + hi + 1) >> 1; if (pts[mid].a <= i) lo = mid; else hi = mid - 1; }
      return lo;
    }
    listOps() {
      const d = this.data, list = [];
      const words = { lost: "lost", kept: "kept", open: "may be lost", forced: "forced" };
      for (let i = Math.max(0, this.after - NEAR); i < Math.min(d.ops.length, this.after + NEAR + 1); i++) {
        const op = d.ops[i], fate = this.fate(i);
        const li = el("li", fate === "later" ? "later" : "done " + fate);
        if (i === this.after) li.classList.add("at");
        li.append(el("span", "n", String(i + 1)), el("span", "t", op.t));
        if (words[fate]) li.append(el("span", "tag " + fate, words[fate]));
        if (op.f) li.append(el("span", "tag lost", op.f));
        if (op.s) li.append(el("span", "s", op.s));
        const src = op.x && d.src[op.x - 1];
        if (src && i === this.after) li.append(this.excerpt(src));
        else if (src) li.append(el("span", "x", src.l[src.a - src.n].trim()));
        if (op.q && i === this.after) li.append(this.callers(d.stacks[op.q - 1]));
        if (op.p && i <= this.after) li.append(el("span", "p", op.p));
        list.push(li);
      }
      this.opsList.replaceChildren(...list);
    }
    // callers shows the functions that led to a call.
    callers(stack) {
      const details = el("details", "x"), list = el("ol", "");
      for (const text of stack) list.append(el("li", "", text));
      details.append(el("summary", "", "called from"), list);
      return details;
    }
    // excerpt shows the lines of the source around a call.
    excerpt(src) {
      const pre = el("pre", "x");
      src.l.forEach((text, k) => {
        const line = el("span", "line" + (src.n + k === src.a ? " here" : ""));
        line.append(el("span", "n", String(src.n + k)), text + "\n");
        pre.append(line);
      });
      return pre;
    }
    version(cell, v) {
      if (v === 0) return "as before the run";
      const made = this.versions[cell][v];
      return made ? made.what + ", op " + (made.op + 1) : "version " + v;
    }
    listCells() {
      const d = this.data, open = [], settled = [];
      for (let c = 0; c < d.cells.length; c++) {
        if (this.high[c] === 0) continue;
        (this.low[c] < this.high[c] ? open : settled).push(c);
      }
      const newestFirst = (a, b) => this.versions[b][this.high[b]].op - this.versions[a][this.high[a]].op || a - b;
      const lostFirst = (a, b) => Number(this.newest.has(b)) - Number(this.newest.has(a)) || newestFirst(a, b);
      open.sort(lostFirst);
      settled.sort(newestFirst);
      const rows = [...open, ...settled].slice(0, ROWS).map((c) => this.cellRow(c));
      this.body.replaceChildren(...rows);
      const rest = open.length + settled.length - rows.length;
      this.more.textContent = open.length + " may be lost, " + settled.length + " forced" + (rest ? "; " + rest + " not shown" : "") + ".";
    }
    cellRow(c) {
      const tr = el("tr"), hi = this.high[c], lo = this.low[c];
      tr.append(el("td", "", this.data.cells[c]), el("td", "", this.version(c, hi)));
      const disk = el("td");
      if (this.failure >= 0) {
        const v = this.newest.has(c) ? this.newest.get(c) : hi;
        disk.append(el("div", "", this.version(c, v)));
        disk.append(el("span", "tag " + (v < hi ? "lost" : "kept"), v < hi ? "the rest is lost" : "kept"));
      } else if (lo === hi) {
        disk.append(el("span", "", "the same"), el("span", "tag forced", "forced"));
      } else {
        disk.append(el("span", "tag open", "one of"));
        const ul = el("ul");
        const most = 6;
        for (let v = hi, n = 0; v >= lo; v--, n++) {
          if (n === most && v > lo) { ul.append(el("li", "soft", (v - lo) + " more")); v = lo; }
          ul.append(el("li", "", this.version(c, v)));
        }
        disk.append(ul);
      }
      tr.append(disk);
      return tr;
    }
    key(e) {
      const n = this.data.failures.length;
      const moves = {
        ArrowLeft: () => this.show(this.point - 1, -1), ArrowRight: () => this.show(this.point + 1, -1),
        PageUp: () => this.show(this.point - 10, -1), PageDown: () => this.show(this.point + 10, -1),
        Home: () => this.show(0, -1), End: () => this.show(this.data.points.length - 1, -1),
        "+": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5),
        n: () => n && this.showFailure((this.failure + 1) % n), p: () => n && this.showFailure((Math.max(this.failure, 0) + n - 1) % n),
      };
      if (!moves[e.key]) return;
      e.preventDefault();
      moves[e.key]();
    }
  }

  let current;
  const parts = [...document.querySelectorAll("section.part")].map((s) => new Part(s));
  const links = [...document.querySelectorAll(".matrix a")];
  document.documentElement.classList.add("scripted");
  // choose shows the parts that the address names: one, those of a program or of a
  // model, or all. Of several, the first that is broken is open.
  const choose = () => {
    const link = links.find((a) => a.getAttribute("href") === location.hash);
    const chosen = link ? link.dataset : {};
    const one = parts.findIndex((p) => "#" + p.section.id === location.hash);
    const at = one >= 0 ? parts[one].section.dataset : chosen;
    parts.forEach((p) => {
      const d = p.section.dataset;
      p.section.hidden = Boolean(at.program && d.program !== at.program || at.model && d.model !== at.model);
    });
    links.forEach((a) => a.setAttribute("aria-current", String(a.getAttribute("href") === (location.hash || "#all"))));
    const shown = parts.filter((p) => !p.section.hidden);
    const first = one >= 0 ? parts[one] : shown.find((p) => p.buttons.length) || shown[0];
    if (!first) return;
    if (one >= 0 || link && link.getAttribute("href") !== "#all") shown.forEach((p) => { p.fold.open = p === first; });
    current = shown.find((p) => p.fold.open) || first;
    parts.forEach((p) => { if (p.fold.open) { p.open(); if (!p.section.hidden) p.drawTimeline(); } });
  };
  const folded = new Set();
  addEventListener("hashchange", choose);
  addEventListener("resize", () => parts.forEach((p) => { if (p.data && p.fold.open && !p.section.hidden) p.drawTimeline(); }));
  addEventListener("beforeprint", () => parts.forEach((p) => {
    if (!p.fold.open) folded.add(p);
    p.section.hidden = false;
    p.fold.open = true;
    p.section.querySelectorAll("details.more-about").forEach((d) => { d.open = true; });
    p.open();
  }));
  addEventListener("afterprint", () => { folded.forEach((p) => { p.fold.open = false; }); folded.clear(); choose(); });
  choose();
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.shiftKey && e.key !== "+" || !current || !current.data) return;
    current.key(e);
  });
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();

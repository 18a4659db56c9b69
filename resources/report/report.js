"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const plots = [], words = data.words;
  const digits = (value) =>
    value == null ? "–" : Number.isInteger(value) ? value.toLocaleString(document.documentElement.lang) : value.toLocaleString(document.documentElement.lang, { maximumSignificantDigits: 4 });

  const clock = (seconds) => {
    const sign = seconds < 0 ? "-" : "", t = Math.abs(seconds);
    const h = Math.floor(t / 3600), m = Math.floor((t % 3600) / 60), s = +(t % 60).toFixed(2);
    const two = (n) => (n < 10 ? "0" : "") + n;
    return sign + (h ? h + ":" + two(m) : m) + ":" + two(s);
  };

  // The lanes: a row for each connection and each client that waits, coloured by state.
  const lanes = data.lanes, canvas = document.getElementById("lanes");
  const cells = lanes && Uint8Array.from(atob(lanes.cells), (each) => each.charCodeAt(0));
  const LEFT = 58, RIGHT = 12, GAP = 6; // as the charts have it
  const marked = { 3: null, 2: null, 7: null, 1: (x, y) => x % 2 === 0, 4: (x, y) => y % 2 === 0,
    5: (x, y) => (x + y) % 4 === 0, 6: (x, y) => ((x >> 1) + (y >> 1)) % 2 === 0 };
  const pattern = (ctx, state) => {
    const tile = document.createElement("canvas"), ink = tile.getContext("2d");
    tile.width = tile.height = 4;
    ink.fillStyle = colour(lanes.states[state][1]); ink.fillRect(0, 0, 4, 4);
    ink.fillStyle = colour(state === "1" ? "panel" : "text"); ink.globalAlpha = 0.4;
    for (let i = 0; i < 16; i++) if (marked[state] && marked[state](i % 4, i >> 2)) ink.fillRect(i % 4, i >> 2, 1, 1);
    return ctx.createPattern(tile, "repeat");
  };
  const laneHeight = () => Math.max(3, Math.min(14, Math.floor(420 / lanes.rows.length)));
  const rowTop = (row) => row * laneHeight() + (row >= lanes.lanes ? GAP : 0);
  let shownOfLanes = lanes && [lanes.start, lanes.end];
  const drawLanes = (part) => {
    if (!lanes) return;
    const shown = (shownOfLanes = part || shownOfLanes);
    const ratio = devicePixelRatio || 1, width = Math.max(canvas.parentElement.clientWidth - 48, 200);
    const high = laneHeight(), height = rowTop(lanes.rows.length) + 2;
    canvas.width = width * ratio; canvas.height = height * ratio;
    canvas.style.width = width + "px"; canvas.style.height = height + "px";
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    const inks = {}, room = width - LEFT - RIGHT, each = (lanes.end - lanes.start) / lanes.columns;
    Object.keys(lanes.states).forEach((state) => { inks[state] = pattern(ctx, state); });
    document.querySelectorAll("canvas.state").forEach((key) => {
      key.width = key.height = 12; const ink = key.getContext("2d");
      ink.fillStyle = pattern(ink, key.dataset.state); ink.fillRect(0, 0, 12, 12);
    });
    const x = (column) => LEFT + ((lanes.start + column * each - shown[0]) / (shown[1] - shown[0])) * room;
    ctx.font = "11px system-ui, sans-serif"; ctx.textAlign = "right"; ctx.textBaseline = "middle";
    let free = -1e9, before = null;
    lanes.rows.forEach(([member, name], row) => {
      const top = rowTop(row), at = row * lanes.columns;
      const group = member && member !== before; before = member;
      // A number gives way to the name of the group that begins below it.
      const begins = (to) => to < lanes.rows.length && lanes.rows[to][0] !== lanes.rows[to - 1][0];
      const near = Array.from({ length: Math.ceil(12 / high) }, (_, i) => row + 1 + i).some(begins);
      if (top - free >= 12 && (group || !near)) {
        ctx.fillStyle = colour(group ? "text" : "muted");
        ctx.fillText(group ? member : name, LEFT - 5, top + Math.max(high, 8) / 2, LEFT - 6);
        free = top;
      }
      for (let first = 0, next = 0; first < lanes.columns; first = next) {
        const state = cells[at + first];
        for (next = first + 1; next < lanes.columns && cells[at + next] === state; next++);
        const left = Math.max(x(first), LEFT), right = Math.min(x(next), LEFT + room);
        if (!state || right <= left) continue;
        ctx.fillStyle = inks[state];
        ctx.fillRect(left, top, right - left, high > 3 ? high - 1 : high);
      }
      if (group && row) { ctx.fillStyle = colour("text"); ctx.fillRect(LEFT, top - 1, room, 1); }
    });
  };
  if (lanes) {
    canvas.addEventListener("pointermove", (event) => {
      const rows = lanes.rows.length, y = event.offsetY;
      let row = Math.floor(y / laneHeight());
      if (row >= lanes.lanes) row = Math.floor((y - GAP) / laneHeight());
      const share = (event.offsetX - LEFT) / (canvas.clientWidth - LEFT - RIGHT);
      if (row < 0 || row >= rows || share < 0 || share > 1) return;
      const shown = shownOfLanes, t = shown[0] + share * (shown[1] - shown[0]);
      const column = Math.floor(((t - lanes.start) / (lanes.end - lanes.start)) * lanes.columns);
      const state = cells[row * lanes.columns + column];
      document.getElementById("lane").textContent =
        [...lanes.rows[row].filter(Boolean), clock(t), state ? lanes.states[state][0] : "–"].join(" · ");
    });
    new ResizeObserver(() => drawLanes()).observe(canvas.parentElement);
  }

  // Charts with the same x axis: the time of a run, or the size of a pool. The main ones say what they show.
  const group = (data, main) => {
    const mine = [];
    const whole = [data.start, Math.max(data.end, data.start + 0.1)];
    let shown = whole;
    const sized = data.axis === "size";
    const place = sized ? digits : clock;

    // Zoom every chart to the same part of the axis.
    const show = (min, max) => {
      const span = Math.min(Math.max(max - min, 0.2), whole[1] - whole[0]);
      min = Math.min(Math.max(min, whole[0]), whole[1] - span);
      shown = [min, min + span];
      mine.forEach((plot) => plot.setScale("x", { min: shown[0], max: shown[1] }));
      if (main) drawLanes(shown);
      if (main) document.getElementById("shown").textContent = place(shown[0]) + words.to + place(shown[1]);
    };

    // The lines of the marks; their texts where they fit, on the first chart.
    const marks = (first) => (plot) => {
      const { ctx, bbox } = plot, ratio = devicePixelRatio || 1;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, 0, bbox.width, bbox.top + bbox.height); ctx.clip();
      ctx.textAlign = "left"; ctx.textBaseline = "alphabetic";
      ctx.font = 11 * ratio + "px system-ui, sans-serif";
      const taken = Array(sized ? 3 : 2).fill(-1e9);
      data.marks.forEach((mark) => {
        const x = plot.valToPos(mark.t, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) return;
        const solid = mark.kind === "fault" || mark.kind === "recommended";
        const ink = colour(mark.colour || (mark.kind === "fault" ? "bad" : "muted"));
        ctx.strokeStyle = ctx.fillStyle = ink;
        ctx.lineWidth = ratio;
        ctx.setLineDash(solid ? [] : [3 * ratio, 3 * ratio]);
        ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
        if (!first) return;
        const text = mark.text.length > 40 ? mark.text.slice(0, 39) + "…" : mark.text;
        const width = ctx.measureText(text).width;
        const left = Math.max(Math.min(x, bbox.left + bbox.width - width), bbox.left);
        const row = taken.findIndex((right) => left > right + 8 * ratio);
        if (row < 0) return;
        taken[row] = left + width;
        ctx.fillText(text, left, bbox.top - (6 + 13 * row) * ratio);
      });
      ctx.restore();
    };

    // What isn't known of a process that was lost, hatched.
    const gaps = (plot) => {
      const { ctx, bbox } = plot, ratio = devicePixelRatio || 1;
      data.marks.filter((mark) => mark.gap).forEach((mark) => {
        const [begin, end] = mark.gap.map((t) => plot.valToPos(t, "x", true));
        const left = Math.max(Math.min(begin, end - 6 * ratio), bbox.left);
        const right = Math.min(end, bbox.left + bbox.width);
        if (right <= left) return;
        ctx.save();
        ctx.beginPath(); ctx.rect(left, bbox.top, right - left, bbox.height); ctx.clip();
        ctx.strokeStyle = colour("muted"); ctx.lineWidth = ratio; ctx.setLineDash([]); ctx.beginPath();
        for (let x = left; x < right + bbox.height; x += 7 * ratio) {
          ctx.moveTo(x, bbox.top); ctx.lineTo(x - bbox.height, bbox.top + bbox.height);
        }
        ctx.stroke(); ctx.restore();
      });
    };

    // The interval of a size, behind the curves.
    const intervals = (plot) => {
      const { ctx, bbox } = plot;
      data.marks.filter((mark) => mark.low != null && mark.high != null).forEach((mark) => {
        const [left, right] = [mark.low, mark.high].map((x) =>
          Math.min(Math.max(plot.valToPos(x, "x", true), bbox.left), bbox.left + bbox.width));
        ctx.save(); ctx.fillStyle = colour("selected");
        ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height); ctx.restore();
      });
    };

    // What a target asks for, and the intervals of what was measured.
    const bars = (chart, source) => (plot) => {
      const { ctx, bbox } = plot, ratio = devicePixelRatio || 1;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
      ctx.lineWidth = ratio;
      (chart.levels || []).forEach((level) => {
        const y = plot.valToPos(level.y, "y", true);
        ctx.strokeStyle = ctx.fillStyle = colour("wait");
        ctx.setLineDash([8 * ratio, 3 * ratio, 2 * ratio, 3 * ratio]);
        ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
        ctx.font = 11 * ratio + "px system-ui, sans-serif"; ctx.textAlign = "right";
        ctx.fillText(level.text, bbox.left + bbox.width - 4 * ratio, y - 4 * ratio);
      });
      ctx.setLineDash([]);
      chart.series.forEach((line, at) => {
        if (!line.bars || !plot.series[at + 1].show) return;
        ctx.strokeStyle = colour(line.colour);
        source.t.forEach((t, i) => {
          const [low, high] = line.bars.map((key) => source[key][i]);
          if (low == null || high == null) return;
          const x = plot.valToPos(t, "x", true), [top, bottom] = [high, low].map((v) => plot.valToPos(v, "y", true));
          ctx.beginPath(); ctx.moveTo(x, top); ctx.lineTo(x, bottom);
          [top, bottom].forEach((y) => { ctx.moveTo(x - 3 * ratio, y); ctx.lineTo(x + 3 * ratio, y); });
          ctx.stroke();
        });
      });
      ctx.restore();
    };

    // Where a logarithmic axis of sizes has its numbers: doubling ones, or all where these are too few.
    const doubles = (_, __, min, max) => {
      const all = [];
      for (let size = Math.max(Math.ceil(min), 1); size <= max; size += 1) all.push(size);
      const powers = all.filter((size) => Number.isInteger(Math.log2(size)));
      return powers.length > 2 ? powers : all.length < 20 ? all : all.filter((_, i) => i % Math.ceil(all.length / 10) === 0);
    };

    const make = (chart, index) => {
      const box = document.getElementById("chart-" + chart.name);
      const source = data.views[chart.view];
      const width = () => Math.max(box.clientWidth - 24, 200);
      const bands = [], owned = {}, levels = (chart.levels || []).map((level) => level.y);
      const series = [{ label: sized ? data.axis_name : "time", value: (_, v) => (v == null ? "–" : place(v)) }];
      const columns = [source.t];
      chart.series.forEach((line) => {
        if (line.low) {
          [line.high, line.low].forEach((key) => {
            columns.push(source[key]);
            series.push({ label: key, width: 0, points: { show: false } });
          });
          owned[columns.length] = [columns.length - 2, columns.length - 1];
          bands.push({ series: owned[columns.length], fill: () => colour(line.colour) + "40" });
        }
        columns.push(source[line.key]);
        series.push({
          label: line.label, width: 1.5, stroke: () => colour(line.colour), spanGaps: !!line.joined,
          dash: line.dashed ? [6, 4] : undefined, fill: line.area ? () => colour(line.colour) + "30" : undefined,
          paths: line.stepped ? uPlot.paths.stepped({ align: -1 }) : undefined,
          points: line.bars ? { show: true, size: 6, fill: () => colour(line.colour) } : { show: !sized && source.t.length < 3 },
          value: (_, v, __, i) => digits(v) + (v == null ? "" : chart.unit) +
            (v == null || !line.bars || source[line.bars[0]][i] == null ? "" :
              " (" + digits(source[line.bars[0]][i]) + words.to + digits(source[line.bars[1]][i]) + ")") +
            (v == null || !line.low ? "" : " (" + source[line.low][i] + words.to + source[line.high][i] + ")"),
        });
      });
      const axis = { stroke: () => colour("muted"), grid: { stroke: () => colour("grid"), width: 1 },
        ticks: { stroke: () => colour("grid"), width: 1 }, font: "11px system-ui, sans-serif" };
      const plot = new uPlot({
        width: width(), height: chart.height, series, bands,
        padding: [index === 0 ? (sized ? 48 : 34) : 8, 12, 0, 0],
        scales: { x: { time: false, min: whole[0], max: whole[1], distr: data.log_x ? 3 : 1, log: 2, ...(sized ? { range: (_, min, max) => [min, max] } : {}) },
          y: chart.log
            ? { distr: 3, ...(levels.length ? { range: (_, low, high) => uPlot.rangeLog(Math.min(low, ...levels), Math.max(high, ...levels), 10, true) } : {}) }
            : { range: (_, low, high) => [Math.min(0, low || 0), Math.max(high || 1, ...levels) * 1.1] } },
        axes: [{ ...axis, values: (_, at) => at.map((v) => (v == null ? "" : place(v))), ...(data.log_x ? { splits: doubles } : {}) },
          { ...axis, size: 58, values: (_, at) => at.map((v) => (v == null ? "" : digits(v))) }],
        cursor: { sync: { key: sized ? "size" : "run", setSeries: false }, drag: { x: true, y: false, setScale: false }, bind: { dblclick: () => () => show(...whole) } },
        hooks: {
          setSelect: [(u) => {
            if (u.select.width < 4) return;
            const min = u.posToVal(u.select.left, "x"), max = u.posToVal(u.select.left + u.select.width, "x");
            u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            show(min, max);
          }],
          drawClear: sized ? [intervals] : [],
          draw: [gaps, marks(index === 0), bars(chart, source)],
          // A band is shown and hidden with its line.
          setSeries: [(u, at, options) => {
            if (options.show != null) (owned[at] || []).forEach((i) => u.setSeries(i, { show: options.show }));
          }],
        },
      }, columns, box);
      plots.push(plot);
      mine.push(plot);
      const rows = plot.root.querySelectorAll(".u-series");
      Object.values(owned).flat().forEach((i) => { rows[i].style.display = "none"; });
      box.tabIndex = 0;
      box.addEventListener("keydown", (event) => {
        const [min, max] = shown, span = max - min, middle = (min + max) / 2;
        const to = {
          ArrowLeft: [min - span / 4, max - span / 4], ArrowRight: [min + span / 4, max + span / 4],
          "+": [middle - span / 4, middle + span / 4], "=": [middle - span / 4, middle + span / 4],
          "-": [middle - span, middle + span], Home: [whole[0], whole[0] + span], End: [whole[1] - span, whole[1]],
          0: whole, Escape: whole,
        }[event.key];
        if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        show(...to);
      });
      const fit = () => { if (plot.width !== width()) plot.setSize({ width: width(), height: chart.height }); };
      new ResizeObserver(fit).observe(box);
      addEventListener("beforeprint", () => { plot.setSize({ width: 680, height: Math.min(chart.height, 200) }); });
      addEventListener("afterprint", () => { plot.setSize({ width: width(), height: chart.height }); });
    };

    data.charts.forEach(make);
    show(...whole);
    if (main) document.getElementById("whole").addEventListener("click", () => show(...whole));
  };

  const redraw = () => { plots.forEach((plot) => plot.redraw(false, true)); drawLanes(); };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const name = () => { button.textContent = isDark() ? words.light : words.dark; };
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; name(); redraw(); });
  dark.addEventListener("change", () => { name(); redraw(); });
  // Paper is white, whatever the screen is.
  let before = null;
  addEventListener("beforeprint", () => { before = root.dataset.theme || ""; root.dataset.theme = "light"; redraw(); });
  addEventListener("afterprint", () => {
    if (before === null) return;
    if (before) root.dataset.theme = before; else delete root.dataset.theme;
    before = null; redraw();
  });
  name();
  if (data.over_size) group(data.over_size, false);
  group(data, true);
  root.dataset.drawn = plots.length;
})();

"use strict";
// Draws the two pictures from the data in the page. Text is only ever set as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("report").textContent);
  const byId = (id) => document.getElementById(id);
  const grouped = (n) => n.toLocaleString("en-US");
  const percent = (f) => (f > 0 && f < 0.01 ? "<1%" : Math.round(f * 100) + "%");
  const style = () => getComputedStyle(document.documentElement);
  const colorOf = (name) => style().getPropertyValue(name).trim();

  const parseHex = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const mix = (a, b, f) => {
    const x = parseHex(a), y = parseHex(b);
    return "rgb(" + x.map((v, i) => Math.round(v + (y[i] - v) * f)).join(",") + ")";
  };

  const show = (panel, title, rows, excerpt) => {
    panel.replaceChildren();
    const heading = document.createElement("h3");
    heading.textContent = title;
    const list = document.createElement("dl");
    for (const [name, value] of rows) {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = name;
      dd.textContent = value;
      list.append(dt, dd);
    }
    panel.append(heading, list);
    if (excerpt) {
      const pre = document.createElement("pre");
      pre.textContent = excerpt;
      panel.append(pre);
    }
  };

  const names = (indexes, total, most = 12) => {
    const shown = indexes.slice(0, most).map((i) => data.agents[i].name);
    return shown.join(", ") + (total > shown.length ? " and " + grouped(total - shown.length) + " more" : "");
  };

  // The heatmap: a cell is a pair of bins; a bin is one agent, or neighbours in the order of their prompts.
  const heatmap = () => {
    const canvas = byId("heatmap"), panel = byId("pair"), bins = data.bins, count = bins.length;
    const state = {kind: "prefix", unit: "share", row: 0, column: Math.min(1, count - 1), pinned: false};
    const labelled = count <= 48;
    const size = Math.max(6, Math.min(34, Math.floor((labelled ? 560 : 640) / count)));
    const left = labelled ? 150 : 8, top = labelled ? 26 : 8;
    const width = left + size * count + 8, height = top + size * count + 8;
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    const pen = canvas.getContext("2d");
    const binName = (bin) => bin.length === 1 ? data.agents[bin[0]].name : grouped(bin.length) + " agents (" + names(bin, bin.length, 2) + ")";
    const value = (kind, unit, row, column) => data[kind + "_" + unit][row * count + column];
    const largest = () => Math.max(1, ...data[state.kind + "_tokens"].filter((v) => v !== null));

    const draw = () => {
      const low = colorOf("--" + state.kind + "-0"), high = colorOf("--" + state.kind + "-1");
      const none = colorOf("--none"), missing = colorOf("--missing"), most = largest();
      pen.setTransform(scale, 0, 0, scale, 0, 0);
      pen.clearRect(0, 0, width, height);
      pen.font = "12px system-ui, sans-serif";
      for (let row = 0; row < count; row++) {
        for (let column = 0; column < count; column++) {
          const v = value(state.kind, state.unit, row, column);
          const f = v === null ? 0 : state.unit === "share" ? v / 1000 : v / most;
          pen.fillStyle = v === null ? missing : v === 0 ? none : mix(low, high, Math.min(1, f));
          if (row === column && bins[row].length === 1) pen.fillStyle = colorOf("--line");
          const gap = size > 10 ? 1 : 0;
          pen.fillRect(left + column * size, top + row * size, size - gap, size - gap);
        }
        if (labelled) {
          pen.fillStyle = colorOf(row === state.row ? "--ink" : "--soft");
          pen.textBaseline = "middle";
          pen.textAlign = "right";
          let label = bins[row].length === 1 ? data.agents[bins[row][0]].name : grouped(bins[row].length) + " agents";
          while (label.length > 4 && pen.measureText(label).width > left - 34) label = label.slice(0, -2) + "…";
          pen.fillText(label, left - 26, top + (row + 0.5) * size);
          pen.fillText(String(row + 1), left - 6, top + (row + 0.5) * size);
          pen.textAlign = "center";
          pen.fillStyle = colorOf(row === state.column ? "--ink" : "--soft");
          if (size >= 18 || row % 5 === 4 || row === 0) pen.fillText(String(row + 1), left + (row + 0.5) * size, top - 12);
        }
      }
      pen.strokeStyle = colorOf("--focus");
      pen.lineWidth = 2;
      pen.strokeRect(left + state.column * size, top + state.row * size, size, size);
      const legend = byId("ramp"), ink = legend.getContext("2d");
      for (let x = 0; x < legend.width; x++) {
        ink.fillStyle = mix(low, high, x / legend.width);
        ink.fillRect(x, 0, 1, legend.height);
      }
      byId("most").textContent = state.unit === "share" ? "all of the shorter prompt" : grouped(most) + " tokens";
    };

    const describe = () => {
      const a = bins[state.row], b = bins[state.column], same = state.row === state.column;
      if (same && a.length === 1) {
        const agent = data.agents[a[0]];
        show(panel, agent.name, [["tokens", grouped(agent.tokens)], ["blocks", grouped(agent.blocks)],
          ["longest shared prefix", grouped(agent.prefix)],
          ["with", agent.mate === null ? "nobody" : data.agents[agent.mate].name]]);
        return;
      }
      const figure = (kind) => {
        const tokens = value(kind, "tokens", state.row, state.column);
        if (tokens === null) return "not measured";
        return grouped(tokens) + (tokens === 1 ? " token, " : " tokens, ") + percent(value(kind, "share", state.row, state.column) / 1000) + " of the shorter prompt";
      };
      const near = data.near_blocks[state.row * count + state.column];
      const mean = a.length > 1 || b.length > 1 ? " (mean of the pairs)" : "";
      show(panel, same ? "Among " + binName(a) : binName(a) + "  ×  " + binName(b),
        [["exact prefix" + mean, figure("prefix")], ["moved spans" + mean, figure("span")],
          ["near blocks" + mean, near === null ? "not measured" : grouped(near) + (near === 1 ? " block" : " blocks") + " alike, not equal: not reusable"]]);
    };

    const choose = (row, column) => {
      state.row = Math.max(0, Math.min(count - 1, row));
      state.column = Math.max(0, Math.min(count - 1, column));
      draw();
      describe();
    };
    const cellAt = (event) => {
      const box = canvas.getBoundingClientRect();
      const column = Math.floor((event.clientX - box.left - left) / size), row = Math.floor((event.clientY - box.top - top) / size);
      return row >= 0 && column >= 0 && row < count && column < count ? [row, column] : null;
    };
    canvas.addEventListener("mousemove", (event) => {
      const cell = cellAt(event);
      if (cell && !state.pinned && (cell[0] !== state.row || cell[1] !== state.column)) choose(...cell);
    });
    canvas.addEventListener("click", (event) => {
      const cell = cellAt(event);
      if (!cell) return;
      state.pinned = !(state.pinned && cell[0] === state.row && cell[1] === state.column);
      choose(...cell);
    });
    canvas.addEventListener("keydown", (event) => {
      const steps = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      choose(state.row + step[0], state.column + step[1]);
    });
    for (const [group, field] of [["kinds", "kind"], ["units", "unit"]]) {
      const buttons = [...byId(group).querySelectorAll("button")];
      const press = (button) => {
        state[field] = button.dataset.value;
        buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
        draw();
      };
      buttons.forEach((button) => button.addEventListener("click", () => press(button)));
    }
    choose(state.row, state.column);
    return draw;
  };

  // The icicle: left to right along the prompt, top to bottom over the agents.
  const icicle = () => {
    const svg = byId("icicle"), panel = byId("node"), nodes = data.nodes;
    const width = 1100, bottom = 22, height = Math.max(160, Math.min(560, data.agents.length * 26));
    const longest = Math.max(1, ...nodes.map((n) => n.end)), total = data.order.length;
    const x = (tokens) => tokens / longest * width, y = (agents) => agents / total * height;
    const make = (name, attributes, parent) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, v] of Object.entries(attributes)) element.setAttribute(key, v);
      parent.append(element);
      return element;
    };
    svg.setAttribute("viewBox", "0 0 " + width + " " + (height + bottom));
    let chosen = 0;
    const groups = [];

    const describe = () => {
      const node = nodes[chosen];
      const agents = data.order.slice(node.first, node.first + node.count);
      show(panel, grouped(node.end - node.begin) + " tokens in " + (node.count === 1 ? "one prompt" : grouped(node.count) + " prompts"),
        [["place", "tokens " + grouped(node.begin) + " to " + grouped(node.end)], ["agents", names(agents, node.count)]],
        node.head + (node.tail ? "\n…\n" + node.tail : ""));
    };
    const choose = (index) => {
      groups[chosen]?.classList.remove("chosen");
      chosen = index;
      groups[chosen].classList.add("chosen");
      groups[chosen].parentNode.append(groups[chosen]);
      describe();
    };
    const draw = () => {
      svg.replaceChildren();
      groups.length = 0;
      const low = colorOf("--prefix-0"), high = colorOf("--prefix-1"), none = colorOf("--none");
      const step = [1, 2, 5].flatMap((m) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7].map((p) => m * p))
        .sort((a, b) => a - b).find((s) => longest / s <= 9) || longest;
      for (let at = 0; at <= longest; at += step) {
        make("line", {x1: x(at), x2: x(at), y1: 0, y2: height + 4, class: "tick"}, svg);
        const anchor = at === 0 ? "start" : x(at) > width - 30 ? "end" : "middle";
        make("text", {x: x(at), y: height + 17, "text-anchor": anchor, class: "axis"}, svg).textContent = grouped(at);
      }
      const layer = make("g", {}, svg);
      nodes.forEach((node, index) => {
        const group = make("g", {class: "node"}, layer);
        const w = Math.max(0.5, x(node.end - node.begin)), h = Math.max(0.5, y(node.count));
        const f = total > 1 ? (node.count - 1) / (total - 1) : 0;
        const fill = node.count === 1 ? none : mix(low, high, Math.pow(f, 0.6));
        const rect = make("rect", {x: x(node.begin), y: y(node.first), width: w, height: h, fill}, group);
        if (h < 4 || w < 4) rect.style.strokeWidth = "0";  // a border would hide it
        if (h >= 15 && w >= 46) {
          let label = node.count === 1 ? data.agents[data.order[node.first]].name : grouped(node.end - node.begin) + " tokens";
          const room = Math.floor(w / 7);
          if (label.length > room) label = label.slice(0, room - 1) + "…";
          const text = make("text", {x: x(node.begin) + 6, y: y(node.first) + h / 2 + 4}, group);
          text.textContent = label;
          if (node.count === 1) text.setAttribute("class", "axis");
          else if (f > 0.45 && parseHex(high)[1] < 128) text.setAttribute("class", "light");
        }
        group.addEventListener("mouseenter", () => { if (document.activeElement !== svg) choose(index); });
        group.addEventListener("click", () => choose(index));
        groups.push(group);
      });
      if (nodes.length) choose(chosen);
    };
    svg.addEventListener("keydown", (event) => {
      const node = nodes[chosen];
      const siblings = nodes.map((n, i) => i).filter((i) => nodes[i].parent === node.parent).sort((a, b) => nodes[a].first - nodes[b].first);
      const place = siblings.indexOf(chosen);
      const moves = {
        ArrowLeft: node.parent,
        ArrowRight: nodes.findIndex((n) => n.parent === chosen),
        ArrowUp: place > 0 ? siblings[place - 1] : -1,
        ArrowDown: place + 1 < siblings.length ? siblings[place + 1] : -1,
      };
      if (!(event.key in moves)) return;
      event.preventDefault();
      if (moves[event.key] >= 0) choose(moves[event.key]);
    });
    draw();
    return draw;
  };

  const redraws = [];
  if (data.agents.length > 1) redraws.push(heatmap());
  redraws.push(icicle());
  const redraw = () => redraws.forEach((draw) => draw());
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", redraw);
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
    root.dataset.theme = isDark ? "light" : "dark";
    redraw();
  });
})();

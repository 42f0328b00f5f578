'use strict';
/* The page works without this: it adds drill-down, search, sorting, and values under the pointer. No library, no network. */
{
const D = JSON.parse(document.getElementById('data').textContent);
const $ = (s, r = document) => r.querySelector(s);
const $$ = (s, r = document) => [...r.querySelectorAll(s)];
const el = (name, props = {}, ...kids) => {
  const made = Object.assign(document.createElement(name), props);
  made.append(...kids);
  return made;
};
const index = new Map(D.path.map((p, i) => [p, i]));
const shown = i => D.path[i] || 'the model';

/* numbers as the page writes them */
const scale = (v, base, units) => {
  let k = 0;
  while (Math.abs(v) >= base * 0.9995 && k < units.length - 1) { v /= base; k++; }
  return +v.toPrecision(3) + (units[k] && '\u00a0' + units[k]);
};
const si = v => scale(v, 1000, ['', 'k', 'M', 'G', 'T', 'P']);
const write = {
  parameters: si, flops: v => si(v) + 'FLOP', memory: v => scale(v, 1024, ['B', 'KiB', 'MiB', 'GiB']),
  time: v => v < 1e-3 ? +(v * 1e6).toPrecision(3) + '\u00a0µs' : v < 1 ? +(v * 1e3).toPrecision(3) + '\u00a0ms' : +v.toPrecision(3) + '\u00a0s',
  gradient: v => v === 0 ? '0' : v.toPrecision(2), dead: v => Math.round(v * 100) + '\u00a0%',
};
const named = { parameters: 'parameters', flops: 'FLOPs', time: 'time a step', memory: 'outputs', gradient: 'gradient rms', dead: 'dead units' };

/* light and dark */
$('#theme').addEventListener('click', () => {
  const root = document.documentElement;
  const dark = root.classList.contains('dark') || (!root.classList.contains('light') && matchMedia('(prefers-color-scheme: dark)').matches);
  root.classList.toggle('dark', !dark);
  root.classList.toggle('light', dark);
});

/* code to the clipboard */
for (const pre of $$('.fix .code')) {
  const button = el('button', { type: 'button', className: 'copy', textContent: 'Copy' });
  button.addEventListener('click', async () => {
    const text = $$('span', pre).filter(s => !s.classList.contains('del'))
      .map(s => (s.classList.contains('add') ? s.textContent.slice(1) : s.textContent).trimEnd()).join('\n');
    let done = true;
    try { await navigator.clipboard.writeText(text); } catch {
      const range = document.createRange();
      range.selectNodeContents(pre.firstElementChild);
      getSelection().removeAllRanges(); getSelection().addRange(range);
      done = document.execCommand('copy');
    }
    button.textContent = done ? 'Copied' : 'Press Ctrl+C';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
  const wrap = el('div', { className: 'cp' });
  pre.replaceWith(wrap);
  wrap.append(pre, button);
}

/* printing shows what is closed */
let closed = [];
addEventListener('beforeprint', () => {
  closed = $$('details:not([open]):not(.cols-menu)').filter(d => !d.matches('.nums'));
  for (const d of closed) d.open = true;
  for (const t of tables) t.all();
});
addEventListener('afterprint', () => { for (const d of closed) d.open = false; for (const t of tables) t.show(); });

/* tables: sort, filter, columns; long ones keep only the rows in view in the document */
const tables = [];
const WINDOW = 400;
function table(node) {
  const body = node.tBodies[0], box = node.parentElement, heads = [...node.tHead.rows[0].cells];
  const rows = [...body.rows], place = new Map(rows.map((r, i) => [r, i]));
  let order = rows, view = rows, words = '', leaves = false;
  const long = rows.length > WINDOW;
  let height = 0, top = null, bottom = null;
  const text = rows.map(() => '');
  const read = i => text[i] || (text[i] = [...rows[i].cells].map(c => c.textContent).join(' ').toLowerCase());
  const layer = r => +r.id.slice(1);
  const isLayers = node.id === 't-layers';
  const value = (r, column) => {
    const key = heads[column].dataset.key;
    if (isLayers && key && key !== 'path') return D[key][layer(r)];
    const raw = r.cells[column].textContent.trim();
    const n = parseFloat(raw.replace(/[,\u00a0%❄]/g, '').replace('−', '-'));
    return raw === '' ? null : column > 1 && !Number.isNaN(n) && !/[×→]/.test(raw) ? n : raw.toLowerCase();
  };
  const self = {
    node, rows,
    all() { body.replaceChildren(...view); },
    show() {
      view = order.filter(r => (!leaves || D.leaf[layer(r)]) && (!words || read(place.get(r)).includes(words)));
      if (!long) { body.replaceChildren(...view); } else { self.window(); }
      const out = box.previousElementSibling && $('.shown', box.previousElementSibling);
      if (out) out.textContent = view.length < rows.length ? `${view.length.toLocaleString('en')} of ${rows.length.toLocaleString('en')}` : '';
    },
    window() {
      if (!height) { body.replaceChildren(...view.slice(0, 60)); height = (body.offsetHeight / Math.min(60, view.length)) || 28; }
      const from = Math.max(0, Math.floor(box.scrollTop / height) - 20), to = Math.min(view.length, from + Math.ceil(box.clientHeight / height) + 40);
      const pad = h => { const c = el('td', { colSpan: heads.length }); c.style.cssText = `padding:0;border:0;height:${h}px`; return el('tr', { ariaHidden: 'true' }, c); };
      top = pad(from * height); bottom = pad((view.length - to) * height);
      body.replaceChildren(top, ...view.slice(from, to), bottom);
    },
    sort(column, way) {
      heads.forEach((h, i) => i === column && way ? h.setAttribute('aria-sort', way > 0 ? 'ascending' : 'descending') : h.removeAttribute('aria-sort'));
      if (!way) order = rows;
      else {
        const keys = new Map(rows.map(r => [r, value(r, column)]));
        order = rows.slice().sort((a, b) => {
          const x = keys.get(a), y = keys.get(b);
          if (x === null || y === null) return (x === null) - (y === null) || place.get(a) - place.get(b);
          return (x < y ? -1 : x > y ? 1 : 0) * way || place.get(a) - place.get(b);
        });
        if (isLayers && typeof value(rows[0], column) !== 'string' && heads[column].dataset.key !== 'path') order = [...order.filter(r => D.leaf[layer(r)]), ...order.filter(r => !D.leaf[layer(r)])];
      }
      box.scrollTop = 0;
      self.show();
    },
    reveal(row) {
      if (!view.includes(row)) { words = ''; leaves = false; const bar = box.previousElementSibling; if (bar && $('.filter', bar)) { $('.filter', bar).value = ''; $('.leaves', bar).checked = false; } self.show(); }
      if (long) { box.scrollTop = view.indexOf(row) * height - box.clientHeight / 2; self.window(); }
      for (const r of $$('tr.hit', body)) r.classList.remove('hit');
      row.classList.add('hit');
      box.scrollTop = row.offsetTop - box.clientHeight / 2;
      box.scrollIntoView({ block: 'nearest' });
      row.scrollIntoView({ block: 'nearest' });
      row.tabIndex = -1;
      row.focus({ preventScroll: true });
    },
  };
  heads.forEach((head, i) => {
    if (/Input|Distribution|Shape/.test(head.textContent)) return;
    const button = el('button', { type: 'button' }, ...head.childNodes);
    head.append(button);
    const numeric = i > 1 && head.textContent !== 'Source';
    button.addEventListener('click', () => {
      const now = head.getAttribute('aria-sort'), first = numeric ? 'descending' : 'ascending';
      self.sort(i, !now ? (numeric ? -1 : 1) : now === first ? (numeric ? 1 : -1) : 0);
    });
  });
  if (long) { let due = 0; box.addEventListener('scroll', () => { due ||= requestAnimationFrame(() => { due = 0; self.window(); }); }); self.show(); }
  const bar = $(`.tools[data-for="${node.id}"]`);
  if (bar) {
    $('.filter', bar).addEventListener('input', e => { words = e.target.value.trim().toLowerCase(); box.scrollTop = 0; self.show(); });
    $('.leaves', bar).addEventListener('change', e => { leaves = e.target.checked; self.show(); });
    const menu = $('.cols-menu div', bar);
    heads.forEach((head, i) => {
      if (!i) return;
      const tick = el('input', { type: 'checkbox', checked: true });
      tick.addEventListener('change', () => node.classList.toggle('hide-' + (i + 1), !tick.checked));
      menu.append(el('label', {}, tick, head.textContent));
    });
  }
  tables.push(self);
}
for (const node of $$('table.data')) table(node);

/* the diagram */
const dg = $('#dg');
let go = () => {};
if (dg) {
  const stage = $('.stage', dg), info = $('.info', dg), crumbs = $('.crumbs', dg), colour = $('#colour'), legend = $('#legend');
  const kinds = [...legend.childNodes].map(n => n.cloneNode(true));
  const levels = $$('.level', dg);
  let state = { level: 0, base: 0, rep: 0 }, trail = [], chosen = null;
  const node = (level, item) => document.getElementById(`n${level}-${item}`);
  const join = (base, path) => path[0] === '/' ? path.slice(1) : base === '' ? path : base + '.' + path;
  const paths = item => {
    const [names, times] = D.levels[state.level][3][item], base = D.path[state.base];
    return [names.map(p => join(base, p)), times];
  };
  const rows = item => paths(item)[0].map(p => index.get(p)).filter(i => i !== undefined);
  const value = (some, key) => {
    const known = some.map(i => D[key][i]).filter(v => v !== null && v !== undefined);
    if (!known.length) return null;
    if (key === 'dead') return Math.max(...known);
    if (key === 'gradient') return Math.sqrt(known.reduce((a, v) => a + v * v, 0) / known.length);
    return known.reduce((a, v) => a + v, 0);
  };
  const below = new Map();
  for (const [i, found] of Object.entries(D.marks)) {
    let path = D.path[i];
    for (;;) {
      if (!below.has(path)) below.set(path, new Set());
      for (const f of found) below.get(path).add(f);
      if (!path) break;
      path = path.includes('.') ? path.slice(0, path.lastIndexOf('.')) : '';
    }
  }
  const marksOf = item => [...new Set(paths(item)[0].flatMap(p => [...(below.get(p) || [])]))].sort((a, b) => a - b);

  /* zoom and pan through the viewBox */
  const view = { x: 0, y: 0, w: 1, h: 1 };
  let svg, whole;
  const apply = () => svg.setAttribute('viewBox', [view.x, view.y, view.w, view.h].map(v => v.toFixed(2)).join(' '));
  const size = () => [stage.clientWidth || 700, stage.clientHeight || 500];
  function fit(all) {
    const [W, H] = size();
    const k = Math.min(1.25, (W - 16) / whole[0], all ? (H - 8) / whole[1] : Math.max((H - 8) / whole[1], 0.82));
    const zoom = Math.max(k, all ? 0 : 0.45);
    view.w = W / zoom; view.h = H / zoom;
    view.x = (whole[0] - view.w) / 2;
    view.y = whole[1] * zoom <= H ? (whole[1] - view.h) / 2 : -4;
    if (whole[0] * zoom > W) view.x = Math.min(view.x, 0);
    apply();
  }
  function zoom(factor, cx, cy) {
    const [W, H] = size();
    const k = Math.min(6, Math.max(0.05, W / view.w * factor)), x = cx ?? W / 2, y = cy ?? H / 2;
    const px = view.x + x / W * view.w, py = view.y + y / H * view.h;
    view.w = W / k; view.h = H / k;
    view.x = px - x / W * view.w; view.y = py - y / H * view.h;
    apply();
  }
  const pan = (dx, dy) => { const [W] = size(), k = view.w / W; view.x -= dx * k; view.y -= dy * k; apply(); };
  function centre(item) {
    const box = node(state.level, item)?.getBBox();
    if (!box) return;
    const inside = box.x > view.x && box.x + box.width < view.x + view.w && box.y > view.y && box.y + box.height < view.y + view.h;
    if (inside) return;
    view.x = Math.max(-20, Math.min(box.x + box.width / 2 - view.w / 2, whole[0] - view.w + 20));
    if (whole[0] < view.w) view.x = (whole[0] - view.w) / 2;
    view.y = box.y + box.height / 2 - view.h / 2;
    apply();
  }

  function paint() {
    const key = colour.value, items = D.levels[state.level][3];
    const values = items.map((_, i) => key ? value(rows(i), key) : null);
    const known = values.filter(v => v !== null && v > 0), most = Math.max(...known, 0), least = Math.min(...known);
    const log = key === 'gradient' && known.length > 1 && most / least > 20;
    svg.classList.toggle('by', !!key);
    items.forEach((_, i) => {
      const g = node(state.level, i);
      for (const c of [...g.classList]) if (/^q\d?$/.test(c)) g.classList.remove(c);
      const v = values[i];
      if (key && v !== null && most > 0) {
        const share = key === 'dead' ? v : log ? (v > 0 ? Math.log(v / least) / Math.log(most / least) : 0) : v / most;
        g.classList.add('q', 'q' + Math.min(6, Math.floor(share * 6.999)));
      }
      const mark = document.getElementById(`m${state.level}-${i}`);
      if (mark && items[i][0].length && D.bases[state.level].length > 1) mark.classList.toggle('off', !marksOf(i).length);
    });
    if (!key) legend.replaceChildren(...kinds.map(n => n.cloneNode(true)));
    else {
      const ramp = el('span', { className: 'ramp' }, key === 'dead' ? '0 %' : log ? write[key](least) : '0');
      for (let q = 0; q < 7; q++) ramp.append(el('i', { className: 'q' + q }));
      ramp.append(key === 'dead' ? '100 %' : known.length ? write[key](most) : 'nothing measured');
      legend.replaceChildren(ramp, ` ${named[key]}, in this picture${log ? ', log scale' : ''}`);
    }
  }

  function draw() {
    levels.forEach((l, i) => l.classList.toggle('on', i === state.level));
    svg = $('svg', levels[state.level]);
    whole = [+svg.getAttribute('width'), +svg.getAttribute('height')];
    svg.setAttribute('preserveAspectRatio', 'xMidYMid meet');
    fit(false);
    D.levels[state.level][3].forEach((_, i) => {
      const g = node(state.level, i);
      g.setAttribute('tabindex', 0);
      g.setAttribute('role', 'button');
    });
    crumbs.replaceChildren();
    [...trail, state].forEach((s, i, a) => {
      if (i) crumbs.append('›');
      const part = D.levels[s.level][2], path = D.path[s.base], before = i ? D.path[a[i - 1].base] : '';
      const label = path === before && i ? part : (before && path.startsWith(before + '.') ? path.slice(before.length + 1) : path) || part;
      if (i === a.length - 1) crumbs.append(el('b', { textContent: label }));
      else { const b = el('button', { type: 'button', textContent: label }); b.addEventListener('click', () => { state = trail[i]; trail = trail.slice(0, i); draw(); choose(null); }); crumbs.append(b); }
    });
    paint();
  }

  function choose(item, focus) {
    for (const n of $$('.hit', stage)) n.classList.remove('hit');
    for (const n of $$('.lit', stage)) n.classList.remove('lit');
    chosen = item;
    const level = D.levels[state.level];
    const some = item === null ? [state.base] : rows(item), lead = some[0];
    info.replaceChildren();
    let head, note = '';
    if (item === null) { head = shown(state.base); note = D.cls[state.base] || ''; }
    else {
      const g = node(state.level, item);
      g.classList.add('hit');
      for (const e of $$(`.es .e${item}`, svg)) e.classList.add('lit');
      if (focus) { centre(item); g.focus({ preventScroll: true }); }
      head = lead === undefined ? ($('text', g)?.textContent || '') : some.length > 1 ? `${shown(lead)} … ${shown(some.at(-1))}` : shown(lead);
      note = lead === undefined ? ($('title', g)?.textContent || '') : some.length > 1 ? `${D.cls[lead]}, ${some.length} modules` : D.cls[lead];
    }
    info.append(el('h3', { textContent: head }), el('div', { className: 'mu', textContent: note }));
    if (lead !== undefined) {
      const list = el('dl');
      const put = (name, text) => list.append(el('dt', { textContent: name }), el('dd', { textContent: text }));
      if (some.length === 1 && D.shape[lead]) put('shapes', D.shape[lead]);
      for (const key of Object.keys(named)) { const v = value(some, key); if (v !== null && (v !== 0 || key === 'dead')) put(named[key], write[key](v)); }
      info.append(list);
    }
    const target = item === null ? -1 : level[3][item][2];
    if (target >= 0) {
      const times = level[3][item][1], names = paths(item)[0];
      const each = names.length / times;
      const pick = times > 1 ? el('select', { ariaLabel: 'Which one' }) : null;
      if (pick) { for (let r = 0; r < times; r++) pick.append(new Option(each === 1 ? names[r] : `repetition ${r + 1}`, r)); info.append(pick, ' '); }
      const open = el('button', { type: 'button', textContent: 'Open' });
      open.addEventListener('click', () => enter(item, pick ? +pick.value : 0));
      info.append(open);
    }
    if (item === null && D.bases[state.level].length > 1) {
      const pick = el('select', { ariaLabel: 'Which of the equal modules' });
      for (const b of D.bases[state.level]) pick.append(new Option(shown(b), b, false, b === state.base));
      pick.addEventListener('change', () => { state = { ...state, base: +pick.value }; draw(); choose(null); });
      info.append(el('p', { className: 'mu', textContent: `One of ${D.bases[state.level].length} that are equal:` }), pick);
    }
    const found = item === null ? [...(below.get(D.path[state.base]) || [])] : marksOf(item);
    if (found.length) {
      const list = el('ul');
      for (const f of found.slice(0, 8)) list.append(el('li', {}, el('a', { href: '#' + D.findings[f][0], textContent: D.findings[f][2] }), ` ${D.findings[f][1]}`));
      info.append(list);
    }
    if (lead !== undefined && D.path[lead] !== '') info.append(el('p', {}, el('a', { href: '#r' + lead, textContent: 'Its row in the table' })));
    if (item === null) info.append(el('p', { className: 'mu', textContent: 'Choose a box for its numbers; open a double-edged or stacked one with a double click or Enter. Drag to move, Ctrl and the wheel (or a click first) to zoom.' }));
  }

  function enter(item, rep = 0) {
    const [names, times, target] = D.levels[state.level][3][item];
    if (target < 0) return;
    const each = names.length / times, group = each !== 1 || !names.length || D.levels[target][0] === D.levels[state.level][0];
    trail.push(state);
    const base = group ? state.base : index.get(join(D.path[state.base], names[rep])) ?? state.base;
    state = { level: target, base, rep: group ? rep : 0 };
    draw();
    choose(null);
    node(target, 0)?.focus({ preventScroll: true });
  }
  const up = () => { if (trail.length) { state = trail.pop(); draw(); choose(null); } };

  go = (place, quiet) => {
    if (!place) return;
    const [level, item, base] = place;
    trail = [];
    for (let l = D.levels[level][1], b = base; l >= 0; l = D.levels[l][1]) {
      const own = D.levels[l][0];
      trail.unshift({ level: l, base: l === 0 ? D.levels[0][0] : D.bases[l].find(x => D.path[b] === D.path[x] || D.path[b].startsWith(D.path[x] + '.')) ?? own, rep: 0 });
      b = trail[0].base;
    }
    state = { level, base, rep: place[3] };
    draw();
    choose(item >= 0 ? item : null, !quiet);
    if (quiet && item >= 0) centre(item);
    else dg.scrollIntoView({ block: 'nearest' });
  };

  const itemOf = target => { const g = target.closest?.('.n'); return g && stage.contains(g) ? +g.id.split('-')[1] : null; };
  let moved = 0;
  stage.addEventListener('click', e => {
    const mark = e.target.closest('.mk');
    if (mark) return;
    const item = itemOf(e.target);
    e.preventDefault();
    if (moved > 4) return;
    choose(item);
    svg.classList.add('live');
  });
  stage.addEventListener('dblclick', e => { const item = itemOf(e.target); if (item !== null) enter(item); });
  document.addEventListener('pointerdown', e => { if (!stage.contains(e.target)) for (const s of $$('svg.live', stage)) s.classList.remove('live'); });
  const fingers = new Map();
  stage.addEventListener('pointerdown', e => { if (e.button) return; fingers.set(e.pointerId, [e.clientX, e.clientY]); moved = 0; });
  stage.addEventListener('pointermove', e => {
    const last = fingers.get(e.pointerId);
    if (!last) return;
    const dx = e.clientX - last[0], dy = e.clientY - last[1];
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== e.pointerId)[1], r = stage.getBoundingClientRect();
      const d0 = Math.hypot(last[0] - other[0], last[1] - other[1]), d1 = Math.hypot(e.clientX - other[0], e.clientY - other[1]);
      if (d0 > 5) zoom(d1 / d0, (e.clientX + other[0]) / 2 - r.left, (e.clientY + other[1]) / 2 - r.top);
    } else if (e.pointerType !== 'touch' || svg.classList.contains('live')) { pan(dx, dy); svg.classList.add('moving'); }
    moved += Math.abs(dx) + Math.abs(dy);
    fingers.set(e.pointerId, [e.clientX, e.clientY]);
  });
  for (const name of ['pointerup', 'pointercancel', 'pointerleave']) stage.addEventListener(name, e => { fingers.delete(e.pointerId); svg.classList.remove('moving'); });
  stage.addEventListener('wheel', e => {
    if (!e.ctrlKey && !e.metaKey && !svg.classList.contains('live')) return;
    e.preventDefault();
    const r = stage.getBoundingClientRect();
    zoom(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0018)), e.clientX - r.left, e.clientY - r.top);
  }, { passive: false });
  stage.addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const item = itemOf(e.target);
    const act = {
      ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
      '+': () => zoom(1.25), '=': () => zoom(1.25), '-': () => zoom(0.8), 0: () => fit(true), Backspace: up, Escape: () => choose(null),
      ' ': () => choose(item), Enter: () => { if (e.target.closest('.mk')) return false; if (item !== null && chosen === item) enter(item); else choose(item); },
    }[e.key];
    if (act && act() !== false) e.preventDefault();
  });
  stage.addEventListener('focusin', e => { const item = itemOf(e.target); if (item !== null && e.target.matches(':focus-visible')) centre(item); });
  for (const b of $$('[data-zoom]', dg)) b.addEventListener('click', () => b.dataset.zoom === 'fit' ? fit(true) : zoom(b.dataset.zoom === 'in' ? 1.3 : 1 / 1.3));
  colour.addEventListener('change', paint);
  for (const key of Object.keys(named)) if (!D[key].some(v => v)) $(`option[value=${key}]`, colour).disabled = true;
  addEventListener('beforeprint', () => { for (const l of levels) { const s = $('svg', l); s.dataset.v = s.getAttribute('viewBox'); s.setAttribute('viewBox', `0 0 ${s.getAttribute('width')} ${s.getAttribute('height')}`); } });
  addEventListener('afterprint', () => { for (const l of levels) { const s = $('svg', l); s.setAttribute('viewBox', s.dataset.v); } });

  /* search by name */
  const find = $('#find'), list = $('#found');
  let at = 0;
  const close = () => { list.hidden = true; find.setAttribute('aria-expanded', 'false'); find.removeAttribute('aria-activedescendant'); };
  const mark = () => [...list.children].forEach((li, i) => { li.setAttribute('aria-selected', i === at); if (i === at) find.setAttribute('aria-activedescendant', li.id); });
  find.addEventListener('input', () => {
    const words = find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return close();
    const hits = [];
    for (let i = 0; i < D.path.length && hits.length < 300; i++) {
      const name = (D.path[i] + ' ' + D.cls[i]).toLowerCase();
      if (D.place[i] && words.every(w => name.includes(w))) hits.push(i);
    }
    hits.sort((a, b) => D.path[a].length - D.path[b].length || a - b);
    list.replaceChildren(...hits.slice(0, 12).map((i, k) => {
      const li = el('li', { id: 'found-' + k, role: 'option', textContent: shown(i) + ' ' }, el('small', { textContent: D.cls[i] }));
      li.dataset.layer = i;
      return li;
    }));
    if (!hits.length) list.append(el('li', { textContent: 'no layer of that name' }));
    at = 0; mark();
    list.hidden = false; find.setAttribute('aria-expanded', 'true');
  });
  const take = li => { if (li?.dataset.layer !== undefined) { close(); go(D.place[li.dataset.layer]); } };
  find.addEventListener('keydown', e => {
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') { at = Math.max(0, Math.min(list.children.length - 1, at + (e.key === 'ArrowDown' ? 1 : -1))); mark(); e.preventDefault(); }
    else if (e.key === 'Enter') take(list.children[at]);
    else if (e.key === 'Escape') close();
  });
  list.addEventListener('mousedown', e => { e.preventDefault(); take(e.target.closest('li')); });
  find.addEventListener('blur', close);

  draw();
  choose(null);
  let wide = stage.clientWidth;
  addEventListener('resize', () => { if (stage.clientWidth !== wide) { wide = stage.clientWidth; fit(false); } });
}

/* links: a layer's row, a place in the diagram, what is closed */
function follow(hash, link) {
  const id = decodeURIComponent(hash.slice(1));
  const finding = link?.dataset.finding;
  if (finding !== undefined) { const place = D.shows[finding]; if (place) { go(place); return true; } }
  let m = /^r(\d+)$/.exec(id);
  if (m && D.path[m[1]] !== undefined) { const t = tables[0]; t.reveal(t.rows[+m[1]]); return true; }
  m = /^level-(\d+)$/.exec(id) || /^n(\d+)-(\d+)$/.exec(id);
  if (m && D.levels[m[1]]) { go([+m[1], m[2] === undefined ? -1 : +m[2], D.levels[m[1]][0], 0]); return true; }
  const at = D.findings.findIndex(f => f[0] === id);
  if (at >= 0) go(D.shows[at], true);
  const target = document.getElementById(id);
  if (target?.type === 'radio') target.checked = true;
  for (let p = target; p; p = p.parentElement) if (p.tagName === 'DETAILS') p.open = true;
  return false;
}
document.addEventListener('click', e => {
  const link = e.target.closest('a[href^="#"]');
  if (!link || e.defaultPrevented || e.ctrlKey || e.metaKey || e.shiftKey) return;
  const hash = link.getAttribute('href');
  if (follow(hash, link)) { e.preventDefault(); history.pushState(null, '', hash); }
});
addEventListener('popstate', () => { if (location.hash) follow(location.hash); });
if (location.hash) follow(location.hash);

/* the way from a layer's row into the diagram */
document.addEventListener('click', e => {
  const cell = e.target.closest('#t-layers tbody th');
  if (cell && dg) go(D.place[+cell.parentElement.id.slice(1)]);
});

/* values under the pointer, read from each chart's own table */
const NS = 'http://www.w3.org/2000/svg';
for (const figure of $$('figure.chart')) {
  const svg = $('svg', figure), pic = $('.pic', figure);
  let body = null, out = null, guide = null;
  const kind = figure.dataset.kind, plot = (svg.dataset.plot || svg.dataset.grid || svg.dataset.bars || '').split(' ').map(Number);
  if (!plot[0] && plot[0] !== 0 || plot.length < 3) continue;
  pic.addEventListener('pointermove', e => {
    const own = $('.nums table', figure) || $('.nums table', figure.closest('.tabs') || figure);
    if (!own) return;
    body ??= own.tBodies[0];
    const box = svg.getBoundingClientRect(), k = svg.viewBox.baseVal.width / box.width;
    const x = (e.clientX - box.left) * k, y = (e.clientY - box.top) * k, rows = body.rows, heads = own.tHead.rows[0].cells;
    let text = '', d = '', i, j;
    if (kind === 'line') {
      const [left, right, top, bottom] = plot, xs = (svg.dataset.x || '').split(' ').map(Number), n = rows.length;
      const share = Math.max(0, Math.min(1, (x - left) / (right - left)));
      if (xs.length > 1) { const v = xs[0] + share * (xs.at(-1) - xs[0]); i = xs.reduce((b, q, c) => Math.abs(q - v) < Math.abs(xs[b] - v) ? c : b, 0); }
      else i = Math.round(share * (n - 1));
      const px = xs.length > 1 ? left + (xs[i] - xs[0]) / (xs.at(-1) - xs[0] || 1) * (right - left) : left + i / Math.max(1, n - 1) * (right - left);
      text = [...rows[i].cells].map((c, q) => (q ? heads[q].textContent : heads[0].textContent.split(',')[0]) + ' ' + c.textContent).join('  ·  ');
      d = `M${px} ${top}V${bottom}`;
    } else if (kind === 'heat') {
      const [left, top, w, h, n, m] = plot;
      i = Math.floor((y - top) / h); j = Math.floor((x - left) / w);
      if (i >= 0 && i < n && j >= 0 && j < m) { text = `${rows[i].cells[0].textContent}, ${heads[j + 1].textContent}: ${rows[i].cells[j + 1].textContent}`; d = `M${left + j * w} ${top + i * h}h${w}v${h}h${-w}z`; }
    } else {
      i = Math.floor((y - plot[0]) / plot[1]);
      if (i >= 0 && i < plot[2] && rows[i]) text = [...rows[i].cells].map((c, q) => q ? heads[q].textContent + ' ' + c.textContent : c.textContent).join('  ·  ');
    }
    out ??= pic.appendChild(el('output', { className: 'ro' }));
    guide ??= svg.appendChild(document.createElementNS(NS, 'path'));
    out.textContent = text; out.hidden = !text;
    guide.setAttribute('class', kind === 'heat' ? 'cell' : 'guide'); guide.setAttribute('d', d || 'M0 0');
  });
  pic.addEventListener('pointerleave', () => { out?.remove(); guide?.remove(); out = guide = null; });
}

/* which section one is in */
const links = new Map($$('.bar li a').map(a => [a.getAttribute('href').slice(1), a]));
if ('IntersectionObserver' in window) {
  const seen = new IntersectionObserver(all => { for (const s of all) if (s.isIntersecting) { for (const a of links.values()) a.classList.remove('at'); links.get(s.target.id)?.classList.add('at'); } }, { rootMargin: '-20% 0px -75% 0px' });
  for (const id of links.keys()) { const s = document.getElementById(id); if (s) seen.observe(s); }
}
}

// The videos of a run, or of one of its tasks: cards that play under the pointer or with the focus, or a table.

import { fillGrid } from "./cards.js";
import { airflowLink, api, asQuery, badge, copyButton, dagId, el, entitle, nameOf, note, pageUrl, placeOf, query, refresh, requiredActions, say, show, taskName, trouble } from "./common.js";

const PAGE = 24;
const ENDED = new Set(["success", "failed"]);
const path = `dags/${encodeURIComponent(dagId)}`;

export async function showGallery(task = {}) {
  const runId = query.get("run_id");
  const state = {
    status: query.get("status") ?? null,
    offset: Math.max(0, Number(query.get("offset")) || 0),
    view: query.get("view") === "list" ? "list" : null,
  };
  const cards = new Map();
  const parts = { title: el("header"), head: el("div", { className: "head" }), problems: el("div"), table: el("div", { className: "wide" }), pager: el("nav", { className: "pager", ariaLabel: "Pages" }) };
  const list = el("ul", { className: "grid", role: "list" });
  entitle(task.task_id ? `Videos of ${taskName(task)}` : "Videos", runId, dagId);

  async function load() {
    const asked = { ...state };
    const { view, ...page } = state;
    const answer = await api(`${path}/videos`, { run_id: runId, ...task, ...page, limit: PAGE });
    if (asked.status !== state.status || asked.offset !== state.offset) return true; // an answer that came too late
    if (answer.shown && state.offset >= answer.shown) return go({ offset: (Math.ceil(answer.shown / PAGE) - 1) * PAGE });
    const ended = ENDED.has(answer.state);
    const around = { ended, back: { of: task.task_id ? "task" : null, back: location.search.slice(1) }, states: answer.states, batches: answer.batches.length };
    fill(parts.title, title(task, runId, answer));
    fill(parts.head, heading(answer, state, go));
    fill(parts.problems, answer.problems.map((text) => note(text, "problem")));
    fill(parts.pager, answer.shown ? pages(answer, state, go) : [note(emptyText(answer, state, ended))]);
    fillGrid(list, cards, view ? [] : answer.videos, around, load);
    fill(parts.table, view && answer.videos.length ? [table(answer.videos, around)] : []);
    list.hidden = view || answer.videos.length === 0;
    say(`${answer.shown} videos${state.status ? `, ${answer.states[state.status]?.label ?? state.status}` : ""}. ${done(answer)} of ${answer.total} done.`);
    return !ended;
  }

  async function go(change) {
    Object.assign(state, change);
    history.replaceState(null, "", `?${asQuery({ ...Object.fromEntries(query), ...state })}`);
    await load().then(() => trouble(""), (error) => trouble(error.message));
    if ("offset" in change && parts.head.getBoundingClientRect().top < 0) parts.head.scrollIntoView(); // from the buttons below
    return true;
  }

  const more = await load();
  show(parts.title, parts.head, parts.problems, list, parts.table, parts.pager);
  if (more) refresh(load);
}

// Replaces the content only if it is another: the focus of the keyboard, and a video that plays, stay where they are.
function fill(element, children) {
  const fresh = el("div", {}, ...children);
  if (fresh.innerHTML === element.innerHTML) return;
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.name : null;
  element.replaceChildren(...fresh.childNodes);
  if (!focused) return;
  const again = element.querySelector(`[data-name="${CSS.escape(focused)}"]:enabled`); // "Next" isn't on the last page
  (again ?? element.querySelector("[aria-current]"))?.focus({ preventScroll: true });
}

function title(task, runId, answer) {
  const of = task.task_id ? [airflowLink(taskName(task), "dags", dagId, "runs", runId, "tasks", task.task_id), " of run "] : [];
  return [
    el("h1", {}, "Videos of ", ...of, airflowLink(runId, "dags", dagId, "runs", runId), " of Dag ", airflowLink(dagId, "dags", dagId)),
    el("p", { className: "quiet" }, `Run: ${answer.state}. Billed, over all tries: ${answer.billed ?? "nothing on record"}. `, copyButton(location.href, "the address of this page", "Copy address")),
  ];
}

function emptyText(answer, state, ended) {
  if (state.status && answer.total) return "There is none of these.";
  if (answer.batches.length) return "The rows can't be listed here; the numbers are the batch's own.";
  return ended ? "No StarVideos video of this run is known." : "No StarVideos video of this run is known yet.";
}

const done = (answer) => Object.entries(answer.counts).reduce((sum, [status, count]) => sum + (isDone(answer, status) ? count : 0), 0);
const isDone = (answer, status) => ["good", "bad"].includes(answer.states[status].tone);

function heading(answer, state, go) {
  const batches = answer.batches.map((batch) => batchLine(batch, answer));
  if (!answer.total) return batches;
  const button = (properties, name, ...children) => el("button", { type: "button", "data-name": name, ...properties }, ...children);
  const filter = (status, count) =>
    button(
      { ariaPressed: String(state.status === status), title: answer.states[status]?.text, onclick: () => go({ status, offset: 0 }) },
      status ?? "all",
      `${status ? (answer.states[status]?.label ?? status) : "All"} `,
      el("b", {}, String(count)),
      status && answer.states[status] ? el("span", { className: "quiet" }, ` ${answer.states[status].billed}`) : null,
    );
  const used = Object.keys(answer.counts).concat(state.status && !answer.counts[state.status] ? [state.status] : []);
  const filters = [filter(null, answer.total), ...used.map((status) => filter(status, answer.counts[status] ?? 0))];
  const views = button({ ariaPressed: String(Boolean(state.view)), onclick: () => go({ view: state.view ? null : "list" }) }, "view", "List");
  const row = el("div", { className: "filters", role: "group", ariaLabel: "Show" }, ...filters, el("span", { className: "space" }), views);
  return ENDED.has(answer.state) ? [row, ...batches] : [row, bar(answer), ...batches];
}

// What is done, not what was begun.
function bar(answer) {
  const properties = { ariaLabel: "Videos done", ariaValueMin: "0", ariaValueMax: String(answer.total), ariaValueNow: String(done(answer)) };
  const element = el("div", { className: "bar", role: "progressbar", ...properties });
  for (const [status, count] of Object.entries(answer.counts).filter(([status]) => isDone(answer, status))) {
    for (let left = Math.round((100 * count) / answer.total); left > 0; left -= 1) element.append(el("i", { className: answer.states[status].tone }));
  }
  return element;
}

function batchLine(batch, answer) {
  const rows = Object.values(batch.counts).reduce((sum, count) => sum + count, 0);
  // Where a run is one batch, the filters have these numbers already.
  const counted = (rows === answer.total ? [] : Object.entries(batch.counts)).map(([status, count]) => {
    const words = answer.states[status];
    return el("span", {}, badge(words), ` ${count} `, el("span", { className: "quiet" }, words.billed));
  });
  const number = el("span", { className: "quiet" }, `${rows} rows`);
  const error = batch.error && el("pre", { className: "error", dir: "auto" }, batch.error);
  const billed = batch.billed && el("span", {}, `Billed, over all tries: ${batch.billed}`);
  const asks = batch.asks ? [el("span", { className: "badge bad" }, "Waits for a person"), el("span", {}, ...requiredActions(batch))] : [];
  return el("div", { className: "batch" }, el("b", {}, taskName(batch)), number, ...asks, ...counted, billed || null, error || null);
}

function pages(answer, state, go) {
  const count = Math.ceil(answer.shown / PAGE);
  const current = Math.floor(state.offset / PAGE);
  if (count < 2) return [];
  const step = (name, text, page) =>
    el("button", { type: "button", disabled: page < 0 || page >= count || page === current, "data-name": name, onclick: () => go({ offset: page * PAGE }) }, text);
  const first = Math.max(0, Math.min(current - 2, count - 5));
  const numbers = Array.from({ length: Math.min(5, count) }, (_, index) => first + index);
  return [
    step("first", "First", 0),
    step("previous", "Previous", current - 1),
    ...numbers.map((page) =>
      el("button", { type: "button", "aria-current": page === current ? "page" : null, "data-name": `page-${page}`, onclick: () => go({ offset: page * PAGE }) }, String(page + 1)),
    ),
    step("next", "Next", current + 1),
    step("last", "Last", count - 1),
    el("span", { className: "quiet" }, `${state.offset + 1}–${Math.min(state.offset + PAGE, answer.shown)} of ${answer.shown}`),
  ];
}

function table(videos, { states, back, batches }) {
  const names = ["Row", "Name", "State", "Billed", "Seconds", "File or reason"];
  const row = (video) => {
    const link = el("a", { className: "name", href: pageUrl("video", { ...placeOf(video), ...back }) }, video.name ?? video.prompt ?? nameOf(video));
    const words = states[video.status];
    const row = video.row && batches > 1 ? `${taskName(video)} ${video.row}` : String(video.row || taskName(video));
    const cells = [row, link, badge(words), words.billed, video.duration ?? "", video.saved ?? video.error ?? ""];
    return el("tr", {}, ...cells.map((cell, column) => el("td", { dir: "auto", className: [1, 5].includes(column) ? "long" : null }, cell)));
  };
  const head = el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name)));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...videos.map(row)));
}

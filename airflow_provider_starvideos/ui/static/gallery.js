// The videos of a run, or of one of its tasks: a page of cards that play under the pointer or with the focus.

import { api, asQuery, badge, dagId, el, label, nameOf, note, pageUrl, placeOf, query, refresh, say, seconds, show, trouble } from "./common.js";

const PAGE = 24;
const STATUSES = ["completed", "making", "pending", "failed", "none"];
const ENDED = new Set(["success", "failed"]);
const path = `dags/${encodeURIComponent(dagId)}`;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export async function showGallery(task = {}) {
  const state = { status: query.get("status") ?? null, offset: Math.max(0, Number(query.get("offset")) || 0) };
  const cards = new Map();
  const head = el("div", { className: "head" });
  const problems = el("div");
  const list = el("ul", { className: "grid", role: "list" });
  const pager = el("nav", { className: "pager", ariaLabel: "Pages" });

  async function look() {
    const asked = { ...state };
    const told = await api(`${path}/videos`, { run_id: query.get("run_id"), ...task, ...state, limit: PAGE });
    if (asked.status !== state.status || asked.offset !== state.offset) return true; // an answer that came too late
    if (told.shown && state.offset >= told.shown) return go({ offset: (Math.ceil(told.shown / PAGE) - 1) * PAGE });
    fill(head, heading(told, state, go));
    fill(problems, told.problems.map((text) => note(text, "problem")));
    fill(pager, pages(told, state, go));
    const ended = ENDED.has(told.state);
    fillGrid(list, cards, told.videos, { ended, back: { of: task.task_id ? "task" : null, back: location.search.slice(1) } });
    list.hidden = told.videos.length === 0;
    if (told.shown === 0) fill(pager, [note(emptyText(told, state, ended))]);
    say(`${told.shown} videos${state.status ? `, ${label(state.status)}` : ""}. ${told.counts.completed} of ${told.total} completed.`);
    return !ended;
  }

  async function go(change) {
    Object.assign(state, change);
    history.replaceState(null, "", `?${asQuery({ ...Object.fromEntries(query), ...state })}`);
    await look().then(() => trouble(""), (error) => trouble(error.message));
    if ("offset" in change && head.getBoundingClientRect().top < 0) head.scrollIntoView(); // from the pages' buttons below
    return true;
  }

  const more = await look();
  show(el("h1", { className: "hidden" }, "Videos of the run"), head, problems, list, pager);
  if (more) refresh(look);
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

function emptyText(told, state, ended) {
  if (state.status && told.total) return "There is none of these.";
  return ended ? "This run has made no StarVideos video." : "This run has no StarVideos video yet.";
}

function heading(told, state, go) {
  if (!told.total) return [];
  const filter = (status, count) =>
    el(
      "button",
      {
        type: "button",
        ariaPressed: String(state.status === status),
        "data-name": status ?? "all",
        onclick: () => go({ status, offset: 0 }),
      },
      `${status ? label(status) : "All"} `,
      el("b", {}, String(count)),
    );
  const used = STATUSES.filter((status) => told.counts[status] > 0 || status === state.status);
  const filters = el("div", { className: "filters", role: "group", ariaLabel: "Show" }, filter(null, told.total), ...used.map((status) => filter(status, told.counts[status])));
  const bar = el("div", {
    className: "bar",
    role: "progressbar",
    ariaLabel: "Videos completed",
    ariaValueMin: "0",
    ariaValueMax: String(told.total),
    ariaValueNow: String(told.counts.completed),
  });
  for (const status of STATUSES) {
    for (let left = Math.round((100 * told.counts[status]) / Math.max(told.total, 1)); left > 0; left -= 1) {
      bar.append(el("i", { className: status }));
    }
  }
  return ENDED.has(told.state) ? [filters] : [filters, bar, ...told.batches.map(progress)];
}

function progress(batch) {
  const counted = Object.entries(batch.counts).map(([name, count]) => `${name} ${count}`);
  return el("p", { className: "quiet" }, `${nameOf({ ...batch, row: 0 })}: ${counted.join(", ")}`);
}

function pages(told, state, go) {
  const count = Math.ceil(told.shown / PAGE);
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
    el("span", { className: "quiet" }, `${state.offset + 1}–${Math.min(state.offset + PAGE, told.shown)} of ${told.shown}`),
  ];
}

function fillGrid(list, cards, videos, around) {
  const wanted = videos.map((video) => {
    const key = JSON.stringify([video.task_id, video.map_index, video.row, video.id]);
    const text = JSON.stringify([video, around]);
    const known = cards.get(key);
    if (known?.text === text) return [key, known];
    return [key, { text, element: card(video, around) }];
  });
  const focused = wanted.find(([key, one]) => cards.get(key) !== one && cards.get(key)?.element.contains(document.activeElement));
  for (const [, one] of cards) if (!wanted.some(([, other]) => other === one)) stop(one.element);
  cards.clear();
  wanted.forEach(([key, one]) => cards.set(key, one));
  const elements = wanted.map(([, one]) => one.element);
  if (elements.length !== list.children.length || elements.some((element, index) => list.children[index] !== element)) {
    list.replaceChildren(...elements);
  }
  focused?.[1].element.querySelector("a")?.focus();
}

function card(video, { ended, back }) {
  const error = el("p", { className: "error" }, video.error ?? "");
  error.hidden = !video.error;
  const pictured = video.status === "completed";
  const frame = el("div", { className: "frame" }, badge(video.status), pictured ? null : error); // where a picture would be
  const link = el(
    "a",
    { className: "card", href: pageUrl("video", { ...placeOf(video), ...back }) },
    frame,
    el("p", { className: "prompt" }, video.prompt ?? video.id ?? "No prompt"),
    el("p", { className: "quiet" }, [nameOf(video), seconds(video.duration), video.ratio].filter(Boolean).join(" · ")),
    pictured ? error : null,
  );
  const item = el("li", {}, link);
  if (video.status === "completed") addPlayer(link, frame, video, item);
  if (video.status === "failed" && !video.error) whenVisible(item, () => ask(video, (told) => explain(told, error)));
  // Nobody has waited for it, or a batch waits for all of its rows: only the API knows.
  if (video.status === "making" && (ended || video.row)) {
    whenVisible(item, () =>
      ask(video, (told) => {
        frame.replaceChildren(badge(told.status ?? video.status), error);
        explain(told, error);
        if (told.status === "completed") addPlayer(link, frame, video, item);
      }),
    );
  }
  return item;
}

function addPlayer(link, frame, video, item) {
  const player = el("video", { muted: true, loop: true, playsInline: true, preload: "none", tabIndex: -1, ariaHidden: "true", disableRemotePlayback: true });
  const source = pageUrl("play", placeOf(video));
  const load = (preload) => {
    player.preload = preload;
    if (!player.src) player.src = source;
  };
  const play = () => {
    load("auto");
    player.play().catch(() => {}); // the pointer has left, or it can't be played: the page of the video says why
  };
  const pause = () => {
    player.pause();
    if (player.readyState) player.currentTime = 0;
  };
  player.addEventListener("loadeddata", () => frame.classList.add("loaded"));
  player.addEventListener("error", () => frame.classList.add("broken"));
  frame.prepend(player);
  link.addEventListener("pointerenter", () => calm.matches || play());
  link.addEventListener("pointerleave", pause);
  link.addEventListener("focus", () => calm.matches || play());
  link.addEventListener("blur", pause);
  // A saved file costs nothing to look at; for a temporary URL the API would have to be asked.
  if (video.preview) whenVisible(item, () => load("metadata"));
}

function stop(element) {
  const player = element.querySelector("video");
  if (!player?.src) return;
  player.removeAttribute("src");
  player.load(); // lets go of its connection
}

const callbacks = new WeakMap();
const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    callbacks.get(target)();
  }
});

function whenVisible(element, callback) {
  callbacks.set(element, callback);
  observer.observe(element);
}

// One after the other: a page of failures must not become a page of questions to the API at once.
let queue = Promise.resolve();

function ask(video, tell) {
  queue = queue.then(() => api(`${path}/outcome`, placeOf(video)).then(tell, (error) => tell({ error: error.message })));
}

function explain(told, element) {
  element.textContent = told.error ?? "";
  element.hidden = !told.error;
}

// Cards of videos: each plays under the pointer or with the focus.

import { api, badge, dagId, el, nameOf, pageUrl, placeOf, seconds, trouble } from "./common.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export function fillGrid(list, cards, videos, around, load) {
  const wanted = videos.map((video) => {
    const key = JSON.stringify([video.task_id, video.map_index, video.row, video.id]);
    const text = JSON.stringify([video, around.ended, around.back]);
    const known = cards.get(key);
    if (known?.text === text) return [key, known];
    return [key, { text, element: card(video, around, load) }];
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

function card(video, { ended, back, states }, load) {
  const words = states[video.status];
  const error = el("p", { className: "error", dir: "auto", hidden: !video.error }, video.error ?? "");
  const frame = el("div", { className: "frame" }, badge(words), words.video ? null : error); // where a picture would be
  const [width, height] = (["1:1", "16:9"].includes(video.ratio) ? video.ratio : "9:16").split(":");
  if (words.video) frame.style.aspectRatio = `${width} / ${height}`;
  const link = el(
    "a",
    { className: "card", href: pageUrl("video", { ...placeOf(video), ...back }) },
    frame,
    el("p", { className: "prompt", dir: "auto" }, video.prompt ?? video.id ?? "No prompt on record"),
    el("p", { className: "quiet" }, [nameOf(video), seconds(video.duration), video.ratio, words.billed].filter(Boolean).join(" · ")),
    words.video ? error : null,
  );
  const item = el("li", {}, link);
  if (words.video) addPlayer(link, frame, video, item);
  // No task waits for it, or a batch waits for all of its rows: only the API knows. Its answer changes the numbers, too.
  else if (words.asked && (ended || video.row)) whenVisible(item, () => ask(video, load));
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
  player.addEventListener("loadeddata", () => {
    frame.classList.add("loaded");
    // Only a clip's ratio isn't known before. Each change moves the cards below, and may bring more of them into sight.
    if (video.clip) frame.style.aspectRatio = `${player.videoWidth} / ${player.videoHeight}`;
  });
  player.addEventListener("error", () => frame.classList.add("broken"));
  frame.prepend(player);
  link.addEventListener("pointerenter", () => calm.matches || play());
  link.addEventListener("pointerleave", pause);
  link.addEventListener("focus", () => calm.matches || play());
  link.addEventListener("blur", pause);
  // A saved file costs nothing to show; for a temporary URL the API would have to be asked.
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

// One after the other: a page of unknown ends must not become a page of questions to the API at once.
let queue = Promise.resolve();

function ask(video, load) {
  const asked = () => api(`dags/${encodeURIComponent(dagId)}/outcome`, placeOf(video)).then((now) => (now.status === video.status ? null : load()));
  queue = queue.then(asked).catch((error) => trouble(error.message));
}

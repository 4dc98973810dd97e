// One video: the player, and all that is known of it.

import { api, badge, dagId, el, label, moment, nameOf, note, pageUrl, placeOf, query, refresh, root, say, seconds, show, span } from "./common.js";

const path = `dags/${encodeURIComponent(dagId)}`;
const CHANGING = ["status", "api_status", "api_problem", "error", "id", "saved", "preview"];

// `gone` is called if the video that was there isn't any more: a batch has told of its rows, say.
export async function showVideo(place, gone) {
  let told = await api(`${path}/video`, place);
  render(told, place);
  const look = async () => {
    const now = await api(`${path}/video`, place).catch((error) => {
      if (error.status !== 404) throw error;
      return null;
    });
    if (now === null) return gone();
    if (CHANGING.some((name) => now[name] !== told[name])) render(now, place);
    told = now;
    return !now.final;
  };
  if (!told.final) refresh(look);
}

function render(video, place) {
  say(`Video ${label(video.status)}`);
  show(
    query.has("back") ? el("a", { className: "back", href: galleryUrl() }, query.has("of") ? "← All videos of the task" : "← All videos of the run") : null,
    el("div", { className: "video" }, el("div", { className: "stage" }, ...stage(video)), facts(video, place)),
  );
}

// Back to the same page of the same gallery, with its filter. What the address says is only ever a query's text.
function galleryUrl() {
  return `${pageUrl(query.has("of") ? "video" : "gallery", {})}${query.get("back")}`;
}

function size(bytes) {
  if (!bytes) return null;
  const exact = `${bytes.toLocaleString("en")} bytes`;
  return bytes < 1e6 ? exact : `${(bytes / 1e6).toFixed(1)} MB (${exact})`;
}

function stage(video) {
  if (video.status !== "completed") return [waiting(video)];
  const source = pageUrl("play", placeOf(video));
  const problem = el("p", { className: "problem", role: "alert", hidden: true });
  const player = el("video", { controls: true, playsInline: true, preload: "metadata", src: source, ariaLabel: video.prompt ?? "Video" });
  player.addEventListener("error", async () => {
    problem.textContent = await whyNot(source);
    problem.hidden = false;
  });
  return [player, problem];
}

// The player only says that it couldn't; the route says why.
async function whyNot(source) {
  const answer = await fetch(source, { redirect: "manual", headers: { Range: "bytes=0-0" } }).catch(() => null);
  if (answer === null) return "The video can't be played: Airflow's api-server doesn't answer.";
  if (answer.type === "opaqueredirect") return "The video can't be played: its host didn't give it. A temporary URL may have expired.";
  const body = await answer.json().catch(() => ({}));
  return `The video can't be played. ${typeof body.detail === "string" ? body.detail : ""}`;
}

const WAITING = {
  pending: "It hasn't been ordered yet.",
  making: "It is being made. This page shows it when it is there.",
  failed: "There is no video.",
  none: "The task didn't run, so there is no video.",
};

function waiting(video) {
  const unknown = video.status === "making" && video.api_problem; // it may be long done, or not be there at all
  const text = unknown ? "It was ordered. What became of it can't be asked:" : WAITING[video.status];
  const box = el("div", { className: "waiting" }, badge(video.status), el("p", {}, text));
  if (unknown) box.append(el("p", { className: "quiet" }, unknown));
  else if (video.api_status && video.status === "making") box.append(el("p", { className: "quiet" }, `The API says: ${video.api_status}`));
  return box;
}

function facts(video, place) {
  const waited = video.ordered_at && video.completed_at ? (new Date(video.completed_at) - new Date(video.ordered_at)) / 1000 : null;
  const rows = [
    ["Status", badge(video.status)],
    ["Error", video.error && el("pre", { className: "error" }, video.error)],
    ["Prompt", video.prompt && el("p", { className: "whole" }, video.prompt)],
    ["Mode", video.mode],
    ["Parameters", parameters(video)],
    ["Inputs", inputs(video, place)],
    ["Ordered", moment(video.ordered_at)],
    ["Completed", moment(video.completed_at)],
    ["Waited", span(waited)],
    ["Length", seconds(video.duration)],
    ["Video id", video.id && el("code", {}, video.id)],
    ["Saved to", video.saved && el("code", {}, video.saved)],
    ["Size", size(video.size_bytes)],
    ["SHA-256", video.sha256 && el("code", {}, video.sha256)],
    ["Tasks", tasks(video)],
  ];
  const list = el("dl", {});
  for (const [name, value] of rows) if (value) list.append(el("dt", {}, name), el("dd", {}, value));
  return el("section", { className: "facts", ariaLabel: "About the video" }, el("h1", {}, nameOf(video)), list, download(video));
}

function parameters(video) {
  const names = { duration: (value) => `${value} s`, ratio: (value) => value, model: (value) => value };
  return Object.entries(video.parameters).map(([name, value]) => names[name](value)).join(" · ");
}

function download(video) {
  if (video.status !== "completed") return null;
  const href = pageUrl("play", placeOf(video));
  return el("p", {}, el("a", { href, download: `${video.id ?? "video"}.mp4` }, "Download"));
}

function inputs(video, place) {
  if (!video.inputs.length) return null;
  const one = (input, number) => el("li", {}, picture(input, { ...place, number }), input.kind, " ", el("code", {}, input.url));
  return el("ul", { className: "inputs" }, ...video.inputs.map(one));
}

function picture(input, place) {
  if (input.kind === "reference video" || !(input.is_web || input.is_stored)) return null;
  const src = input.is_web ? input.url : pageUrl("input", place);
  const image = el("img", { loading: "lazy", referrerPolicy: "no-referrer", alt: "", width: 72, height: 72, src });
  image.addEventListener("error", () => image.remove());
  return image;
}

// Inside of Airflow's page a frame may not lead it elsewhere.
function tasks(video) {
  const base = new URL(root, location.href).pathname.replace(/starvideos\/$/, "");
  const one = (task) => {
    const text = `${task.task_id}${task.map_index >= 0 ? ` [${task.map_index}]` : ""}: ${task.state ?? "no state yet"}`;
    if (parent !== window) return el("li", {}, text);
    const mapped = task.map_index >= 0 ? `/mapped/${task.map_index}` : "";
    const parts = [dagId, "runs", query.get("run_id"), "tasks", task.task_id].map(encodeURIComponent).join("/");
    return el("li", {}, el("a", { href: `${base}dags/${parts}${mapped}` }, text));
  };
  return el("ul", {}, ...video.tasks.map(one));
}

// One video: the player, and all that is known of it.

import { airflowLink, api, badge, code, copyButton, dagId, el, entitle, moment, nameOf, pageUrl, placeOf, query, refresh, requiredActions, say, seconds, show, span, taskName, taskSteps } from "./common.js";

const path = `dags/${encodeURIComponent(dagId)}`;
const PASSING = new Set(["api_seconds_ago"]); // of no weight by themselves: a player isn't replaced for them

// `gone` is called if the video that was there isn't any more: a batch knows its rows now, for example.
export async function showVideo(place, gone) {
  let known = await api(`${path}/video`, { ...place, ask_api: false }); // what Airflow knows; the API may take seconds
  render(known, place, known.words.asked && known.id);
  const load = async () => {
    const now = await api(`${path}/video`, place).catch((error) => {
      if (error.status !== 404) throw error;
      return null;
    });
    if (now === null) return gone();
    if (Object.keys(now).some((name) => !PASSING.has(name) && JSON.stringify(now[name]) !== JSON.stringify(known[name]))) render(now, place);
    known = now;
    return !now.final;
  };
  if (known.words.asked && known.id) await load().catch((error) => render({ ...known, api_problem: error.message }, place));
  if (!known.final) refresh(load);
}

function render(video, place, asking = false) {
  const name = nameOf(video);
  entitle(name, query.get("run_id"), dagId);
  say(`Video ${video.words.label}`);
  const focused = document.activeElement?.ariaLabel;
  show(
    query.has("back") ? el("a", { className: "back", href: galleryUrl() }, query.has("of") ? "← All videos of the task" : "← All videos of the run") : null,
    el("div", { className: "video" }, el("div", { className: "stage" }, ...stage(video, asking)), facts(video, place, name)),
  );
  if (focused) document.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
}

// Back to the same page of the same gallery, with its filter. What the address says is only ever a query's text.
function galleryUrl() {
  return `${pageUrl(query.has("of") ? "video" : "gallery", {})}${query.get("back")}`;
}

function stage(video, asking) {
  if (!video.words.video) return [waiting(video, asking)];
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
  if (answer === null) return "The video can't be played here: Airflow's api-server doesn't answer.";
  if (answer.type === "opaqueredirect") return "The video can't be played here: its host didn't give it. A temporary URL may have expired.";
  const body = await answer.json().catch(() => ({}));
  return `The video can't be played here. ${typeof body.detail === "string" ? body.detail : ""}`;
}

function waiting(video, asking) {
  const { text, billed } = video.words;
  const sentence = `${text[0].toUpperCase()}${text.slice(1)}${text.includes("billed") ? "" : `; ${billed}`}.`;
  return el("div", { className: "waiting" }, badge(video.words), el("p", {}, sentence), apiAnswer(video, asking));
}

function apiAnswer(video, asking) {
  if (asking) return el("p", { className: "quiet asking" }, "Asking the API …");
  if (video.api_problem) return el("p", { className: "quiet" }, `The API can't be asked: ${video.api_problem}`);
  if (!video.api_status) return null;
  return el("p", { className: "quiet" }, `The API says: ${video.api_status} (${span(video.api_seconds_ago)} ago)`);
}

function facts(video, place, name) {
  const words = video.words;
  const waited = video.sent_at && video.ended_at ? (new Date(video.ended_at) - new Date(video.sent_at)) / 1000 : null;
  const rows = [
    ["State", [badge(words), ` ${words.billed}`]],
    ["Billed", video.billed && `${video.billed} (task, over all tries)`],
    ["Reused from", video.reused_from && code(video.reused_from, "the address of the library's video")],
    ["Reason", video.error && el("pre", { className: "error", dir: "auto" }, video.error)],
    ["What next", steps(video)],
    ["Prompt", video.prompt && el("p", { className: "whole", dir: "auto" }, video.prompt)],
    ["Mode", video.mode],
    ["Parameters", parameters(video)],
    ["Inputs", inputs(video, place)],
    ["Ordered", moment(video.sent_at)],
    [words.video ? "Completed" : "Ended", moment(video.ended_at)],
    ["Took", span(waited)],
    ["Length", seconds(video.duration)],
    ["Video id", video.id && code(video.id, "the video's id")],
    ["Saved to", video.saved && code(video.saved, "the file's address")],
    ["Size", size(video.size_bytes)],
    ["SHA-256", video.sha256 && code(video.sha256, "the SHA-256")],
    ["Earlier orders", earlier(video)],
    ["Tasks", tasks(video)],
  ];
  const list = el("dl", {});
  for (const [term, value] of rows) if (value) list.append(el("dt", {}, term), el("dd", {}, ...[value].flat()));
  return el("section", { className: "facts", ariaLabel: "About the video" }, el("h1", { dir: "auto" }, name), list, download(video));
}

// What Airflow does next, and what the reader may do: texts with commands to copy.
function steps(video) {
  if (!video.next.length) return null;
  const one = ({ text, at, commands, asks }) => {
    const more = [at && [" At: ", moment(at)], asks && [" ", ...requiredActions(asks)]].filter(Boolean).flat();
    return el("li", {}, text, ...more, ...(commands ?? []).map((command) => el("p", {}, code(command, "the command"))));
  };
  return el("ul", {}, ...video.next.map(one));
}

function size(bytes) {
  if (!bytes) return null;
  const exact = `${bytes.toLocaleString("en")} bytes`;
  return bytes < 1e6 ? exact : `${(bytes / 1e6).toFixed(1)} MB (${exact})`;
}

function parameters(video) {
  const names = { duration: (value) => `${value} s`, ratio: (value) => value, model: (value) => value };
  return Object.entries(video.parameters).map(([name, value]) => names[name](value)).join(" · ");
}

function download(video) {
  const page = copyButton(location.href, "the address of this page", "Copy address");
  if (!video.words.video) return el("p", {}, page);
  const href = pageUrl("play", placeOf(video));
  return el("p", {}, el("a", { href, download: `${video.id ?? "video"}.mp4` }, "Download"), " ", page);
}

function inputs(video, place) {
  if (!video.inputs.length) return null;
  const one = (input, number) => el("li", {}, picture(input, { ...place, number }), input.kind, " ", code(input.url, `the address of ${input.kind} ${number + 1}`));
  return el("ul", { className: "inputs" }, ...video.inputs.map(one));
}

function picture(input, place) {
  if (input.kind === "reference video" || !(input.is_web || input.is_stored)) return null;
  const src = input.is_web ? input.url : pageUrl("input", place);
  const image = el("img", { loading: "lazy", referrerPolicy: "no-referrer", alt: "", width: 72, height: 72, src });
  image.addEventListener("error", () => image.replaceWith(el("span", { className: "quiet" }, "(can't be loaded) ")));
  return image;
}

function earlier(video) {
  if (!video.earlier.length) return null;
  const one = (order) => el("li", {}, badge(order.words), ` ${order.words.billed} `, order.id ? code(order.id, "the earlier video's id") : "", " ", moment(order.sent_at) ?? "", el("span", { className: "quiet" }, ` ${order.summary ?? ""} ${order.error ?? ""}`));
  return el("ul", {}, ...video.earlier.map(one));
}

function tasks(video) {
  const one = (task) => {
    const since = task.started_at ? (new Date(task.ended_at ?? Date.now()) - new Date(task.started_at)) / 1000 : null;
    const times = [
      task.try_number > 1 || task.max_tries > 1 ? `try ${task.try_number} of ${task.max_tries}` : null,
      since === null ? null : `${task.ended_at ? "took" : "for"} ${span(since)}`,
      task.poll_interval ? `polls every ${span(task.poll_interval)}` : null,
    ];
    const more = [times.filter(Boolean).join(", "), task.deadline ? el("span", {}, " until ", moment(task.deadline)) : ""];
    return el("li", {}, airflowLink(`${taskName(task)}: ${task.state ?? "no state yet"}`, ...taskSteps(task)), el("span", { className: "quiet" }, " ", ...more));
  };
  return el("ul", {}, ...video.tasks.map(one));
}

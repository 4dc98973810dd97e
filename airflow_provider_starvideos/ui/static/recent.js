// The latest runs that have to do with videos.

import { api, badge, el, moment, note, pageUrl, say, show, trouble } from "./common.js";

const STATUSES = ["completed", "making", "pending", "failed", "none"];

export async function showRecent() {
  const list = el("ul", { className: "runs", role: "list" });
  const more = el("button", { type: "button", hidden: true }, "Older runs");
  let before = null;

  async function load() {
    more.disabled = true;
    const told = await api("recent", { before });
    list.append(...told.runs.map(run));
    before = told.before;
    more.hidden = before === null;
    more.disabled = false;
    say(`${list.children.length} runs`);
  }

  const failed = (error) => {
    trouble(error.message);
    more.disabled = false;
  };
  more.addEventListener("click", () => load().then(() => trouble(""), failed));
  await load();
  const empty = list.children.length ? null : note("No run of a Dag that you may read has made a StarVideos video yet.");
  show(el("h1", {}, "Recent runs with videos"), ...[empty, list, more].filter(Boolean));
}

function run(told) {
  const counted = STATUSES.filter((status) => told.counts[status]).map((status) =>
    el("span", {}, badge(status), ` ${told.counts[status]}`),
  );
  return el(
    "li",
    {},
    el(
      "a",
      { className: "run", href: pageUrl("gallery", { run_id: told.run_id }, told.dag_id) },
      el("b", {}, told.dag_id),
      el("span", { className: "quiet" }, told.run_id),
      el("span", { className: "quiet" }, moment(told.when) ?? ""),
      el("span", { className: "counts" }, ...counted),
      el("span", { className: "quiet" }, `run: ${told.state}`),
    ),
  );
}

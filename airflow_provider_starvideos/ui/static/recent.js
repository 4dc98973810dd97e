// The latest runs that have to do with videos.

import { api, badge, el, entitle, moment, note, pageUrl, say, show, trouble } from "./common.js";

export async function showRecent() {
  const list = el("ul", { className: "runs", role: "list" });
  const more = el("button", { type: "button", hidden: true }, "Older runs");
  let before = null;
  entitle("Recent runs");

  async function load() {
    more.disabled = true;
    const answer = await api("recent", { before });
    list.append(...answer.runs.map(run));
    before = answer.before;
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
  const empty = list.children.length ? null : note("No run with a StarVideos video is known among the Dags that you may read.");
  show(el("h1", {}, "Recent runs with videos"), ...[empty, list, more].filter(Boolean));
}

function run(found) {
  const counted = Object.entries(found.counts).map(([status, count]) => el("span", {}, badge(found.states[status]), ` ${count}`));
  return el(
    "li",
    {},
    el(
      "a",
      { className: "run", href: pageUrl("gallery", { run_id: found.run_id }, found.dag_id) },
      el("b", {}, found.dag_id),
      el("span", { className: "quiet" }, found.run_id),
      el("span", { className: "quiet" }, moment(found.when) ?? ""),
      el("span", { className: "counts" }, ...counted),
      el("span", { className: "quiet" }, `run: ${found.state}`),
    ),
  );
}

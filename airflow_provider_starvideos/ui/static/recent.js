// The latest runs that have to do with videos, as a table with filters that the address keeps.

import { api, asQuery, badge, el, entitle, moment, note, pageUrl, query, say, show, trouble } from "./common.js";

const STATES = ["running", "queued", "success", "failed"];
const TONES = { success: "good", failed: "bad", running: "busy" };

export async function showRecent() {
  const filter = { dag_id: query.get("dag_id") || null, state: query.get("state") || null };
  const body = el("tbody");
  const dags = el("datalist", { id: "dags" });
  const more = el("button", { type: "button", hidden: true }, "Older runs");
  const refresh = el("button", { type: "button" }, "Refresh");
  const empty = note("No run with a StarVideos video is known here.");
  const dag = el("input", { type: "search", placeholder: "any", value: filter.dag_id ?? "" });
  dag.setAttribute("list", "dags");
  const options = [["", "any"], ...STATES.map((state) => [state, state])].map(([value, text]) => el("option", { value, selected: value === (filter.state ?? "") }, text));
  const state = el("select", {}, ...options);
  let before = null;
  entitle("Recent runs");

  async function load(fresh) {
    more.disabled = refresh.disabled = true;
    try {
      const answer = await api("recent", { ...filter, before: fresh ? null : before });
      if (fresh) body.replaceChildren();
      body.append(...answer.runs.map(row));
      const names = new Set([...dags.children].map((option) => option.value).concat(answer.runs.map((run) => run.dag_id)));
      dags.replaceChildren(...[...names].sort().map((value) => el("option", { value })));
      before = answer.before;
      trouble("");
    } catch (error) {
      trouble(error.message);
    }
    more.hidden = before === null;
    more.disabled = refresh.disabled = false;
    empty.hidden = body.children.length > 0;
    say(`${body.children.length} runs`);
  }

  const change = () => {
    Object.assign(filter, { dag_id: dag.value.trim() || null, state: state.value || null });
    history.replaceState(null, "", `?${asQuery(filter)}`);
    return load(true);
  };
  dag.addEventListener("change", change);
  state.addEventListener("change", change);
  refresh.addEventListener("click", () => load(true));
  more.addEventListener("click", () => load(false));
  await load(true);
  const filters = el("div", { className: "filters" }, el("label", {}, "Dag ", dag), el("label", {}, "Run ", state), refresh, dags);
  const names = ["Dag", "Run", "Run's state", "Videos", "When"];
  const head = el("thead", {}, el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name))));
  show(el("h1", {}, "Recent runs with videos"), filters, el("div", { className: "wide" }, el("table", {}, head, body)), empty, more);
}

function row(run) {
  const counted = Object.entries(run.counts).map(([status, count]) => el("span", {}, badge(run.states[status]), ` ${count}`));
  const link = el("a", { href: pageUrl("gallery", { run_id: run.run_id }, run.dag_id), ariaLabel: `Videos of ${run.dag_id}, run ${run.run_id}` }, run.run_id);
  const state = el("span", { className: `badge ${TONES[run.state] ?? ""}` }, run.state);
  const cells = [run.dag_id, link, state, el("span", { className: "counts" }, ...counted), moment(run.when) ?? ""];
  return el("tr", {}, ...cells.map((cell) => el("td", {}, cell)));
}

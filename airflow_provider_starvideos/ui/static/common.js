// What all views share. Texts of prompts, errors and names come from outside: they only ever become text nodes.

export const root = document.documentElement.dataset.root;

// Airflow 3.1 puts a run's id into the address as it is: there, a plus is a plus, and no space.
const plain = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
export const query = new Map(
  location.search.slice(1).split("&").map((pair) => [pair.split("=", 1)[0], plain(pair.slice(pair.indexOf("=") + 1))]),
);
export const asQuery = (parameters) =>
  Object.entries(parameters)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&");

export const dagId = decodeURIComponent(location.pathname.match(/\/dags\/([^/]+)\//)?.[1] ?? "");

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export class AnswerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function api(path, parameters = {}) {
  const asked = fetch(`${root}api/${path}?${asQuery(parameters)}`, { headers: { Accept: "application/json" } });
  const answer = await asked.catch(() => {
    throw new AnswerError(0, "Airflow's api-server doesn't answer.");
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new AnswerError(answer.status, problemOf(answer.status, body.detail));
  return body;
}

function problemOf(status, detail) {
  if (status === 401) return "You aren't logged in any more. Load Airflow's page again.";
  if (status === 403) return "You may not read this Dag's runs.";
  return typeof detail === "string" ? detail : `Airflow's api-server answered with status ${status}.`;
}

// Where a video of a run is: its task, its map index, and its row in a batch.
export const placeOf = (video) => ({
  run_id: query.get("run_id"),
  task_id: video.task_id,
  map_index: video.map_index,
  row: video.row,
});

export const pageUrl = (page, parameters, dag = dagId) =>
  `${root}dags/${encodeURIComponent(dag)}/${page}?${asQuery(parameters)}`;

export const taskName = (task) => `${task.task_id}${task.map_index >= 0 ? ` [${task.map_index}]` : ""}`;

export const nameOf = (video) => video.name ?? `${taskName(video)}${video.row ? ` · row ${video.row}` : ""}`;

// Words of a state come from the server: a label, a tone, a text, and whether it is billed.
export const badge = (words) => el("span", { className: `badge ${words.tone}`, title: `${words.text}; ${words.billed}` }, words.label);

// Where Airflow's own page of a run or a task is. A frame inside of Airflow may not lead it elsewhere: there it is text.
const airflowAddress = (...steps) => new URL(root, location.href).href.replace(/starvideos\/$/, "") + steps.map(encodeURIComponent).join("/");
const framed = parent !== window;
export const taskSteps = (task) => ["dags", dagId, "runs", query.get("run_id"), "tasks", task.task_id, ...(task.map_index >= 0 ? ["mapped", String(task.map_index)] : [])];
export const airflowLink = (text, ...steps) => (framed ? text : el("a", { href: airflowAddress(...steps) }, text));

export function copyButton(text, what, shown = "Copy") {
  const button = el("button", { type: "button", className: "copy", ariaLabel: `Copy ${what}`, onclick: () => copy(text).then(done, () => select(text)) }, shown);
  const done = () => {
    button.textContent = "Copied";
    say(`Copied ${what}`);
    setTimeout(() => (button.textContent = shown), 2000);
  };
  return button;
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = el("textarea", { value: text, className: "hidden" }); // over http there is no clipboard
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("not copied");
}

const select = (text) => window.prompt("Copy this text:", text);

// Where a person answers what a task asks.
export function requiredActions(task) {
  const steps = [...taskSteps(task), "required_actions"];
  return [airflowLink("Required Actions", ...steps), " ", copyButton(airflowAddress(...steps), "the address of Required Actions", "Copy address")];
}

export const code = (text, what) => el("span", { className: "copied" }, el("code", { dir: "auto" }, text), " ", copyButton(text, what));

export const entitle = (...parts) => (document.title = [...parts, "StarVideos"].filter(Boolean).join(" · "));

export const seconds = (value) => (value === null || value === undefined ? null : `${Math.round(value * 10) / 10} s`);

export function span(value) {
  if (value === null || value === undefined || value < 120) return seconds(value);
  const [minutes, rest] = [Math.floor(value / 60), Math.floor(value % 60)];
  return minutes < 120 ? `${minutes} min ${rest} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// As Airflow's own page writes it, in the time zone that is chosen there; else the browser's.
export function moment(text) {
  const when = new Date(text);
  if (!text || Number.isNaN(when.getTime())) return null;
  const asAirflow = (timeZone) => when.toLocaleString("sv-SE", { timeZone });
  let shown;
  try {
    shown = asAirflow(JSON.parse(localStorage.getItem("timezone")) ?? undefined);
  } catch {
    shown = asAirflow(undefined);
  }
  return el("time", { dateTime: when.toISOString() }, shown);
}

export function say(text) {
  const live = document.getElementById("live");
  if (live.textContent !== text) live.textContent = text;
}

export function show(...children) {
  const main = document.getElementById("main");
  main.replaceChildren(...children.filter(Boolean));
  main.setAttribute("aria-busy", "false");
}

export const note = (text, kind = "note") => el("p", { className: kind, role: kind === "problem" ? "alert" : null }, text);

// Above what is shown, which may be out of date then; gone with the next answer that comes.
export function trouble(text) {
  const box = document.getElementById("trouble");
  if (box.textContent !== text) box.textContent = text;
  box.hidden = !text;
}

// Calls `load` repeatedly for as long as it answers true and the page is in sight. A slow api-server is asked less often.
export function refresh(load, milliseconds = 5000) {
  const again = async () => {
    if (document.hidden) return setTimeout(again, milliseconds);
    const began = performance.now();
    let more = true;
    try {
      more = await load();
      trouble("");
    } catch (error) {
      trouble(error.message);
    }
    return more ? setTimeout(again, Math.max(milliseconds, 20 * (performance.now() - began))) : null;
  };
  setTimeout(again, milliseconds);
}

// Airflow's theme, where its page around this one can be asked; else the browser's.
export function followTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const outer = outerPage();
  const apply = () => {
    const names = outer?.classList;
    const isDark = names?.contains("dark") || (!names?.contains("light") && dark.matches);
    const page = document.documentElement;
    page.dataset.theme = isDark ? "dark" : "light";
    if (!outer) return;
    const [body, html] = [parent.document.body, outer].map((element) => parent.getComputedStyle(element));
    const background = [body, html].map((one) => one.backgroundColor).find((color) => !color.endsWith(", 0)"));
    if (background) page.style.setProperty("--bg", background);
    page.style.setProperty("--font", body.fontFamily);
  };
  dark.addEventListener("change", apply);
  if (outer) new MutationObserver(apply).observe(outer, { attributeFilter: ["class"] });
  apply();
}

function outerPage() {
  try {
    return parent === window ? null : parent.document.documentElement;
  } catch {
    return null;
  }
}

// Which view this page is: its address says so.

import { AnswerError, api, dagId, followTheme, note, query, say, show } from "./common.js";
import { showGallery } from "./gallery.js";
import { showRecent } from "./recent.js";
import { showVideo } from "./video.js";

async function showTask() {
  const place = {
    run_id: query.get("run_id"),
    task_id: query.get("task_id"),
    map_index: /^\d+$/.test(query.get("map_index") ?? "") ? query.get("map_index") : -1,
    row: query.get("row") ?? 0,
  };
  try {
    return await showVideo(place, () => void showTask().catch(failed));
  } catch (error) {
    if (!(error instanceof AnswerError) || error.status !== 404 || Number(place.row)) throw error;
  }
  // A batch, or a mapped task as a whole: it has many.
  const task = { task_id: place.task_id, map_index: place.map_index };
  const { total, shown, problems, batches } = await api(`dags/${encodeURIComponent(dagId)}/videos`, { run_id: place.run_id, limit: 1, ...task });
  if (total === undefined || (shown === 0 && !problems.length && !batches.length)) {
    return show(note("No StarVideos video of this task is known. The tab Videos of the run has those of all its tasks."));
  }
  return showGallery(task);
}

const VIEWS = { gallery: () => showGallery(), video: showTask };
const view = VIEWS[location.pathname.split("/").pop()] ?? showRecent;

const failed = (error) => {
  show(note(error.message, "problem"));
  say(error.message);
};

followTheme();
view().catch(failed);

// Prints the tables of a page as JSON, read by the viewer's own code: `node dump.js PAGE`.
import { readFileSync } from "node:fs";
import { criticalPath } from "../../../src/asyncio_trace/exporters/html/viewer/causes.js";
import { load } from "../../../src/asyncio_trace/exporters/html/viewer/load.js";
import { Trace } from "../../../src/asyncio_trace/exporters/html/viewer/trace.js";

const page = readFileSync(process.argv[2], "utf-8");
const head = JSON.parse(/<script type="application\/json" id="head">(.*?)<\/script>/s.exec(page)[1]);
const columns = [...page.matchAll(/data-column="([^"]*)" data-count="(\d+)" data-width="(\d+)">([^<]*)</g)].map(([, name, count, width, text]) => ({ name, count: Number(count), width: Number(width), text }));
const trace = new Trace(head, await load(head, columns));
const id = (row) => (row < 0 ? null : trace.task.id[row]);
const site = (place) => place && [place.fn, place.file, place.line];
const waker = (cause) => cause && [cause.kind, id(cause.task), cause.ns, site(cause.at), cause.label];
const range = (count) => Array.from({ length: count }, (_, i) => i);
const { task, run, wait, callback, idle, job } = trace;
const known = (ns) => (Number.isNaN(ns) ? null : ns);
console.log(
  JSON.stringify({
    tasks: range(task.count).map((i) => [task.id[i], trace.name(i), trace.coroutine(i), id(task.parent[i]), head.loops[task.loop[i] - 1].id, task.created[i], known(task.started[i]), known(task.ended[i]),
      ["pending", "returned", "raised", "cancelled"][task.outcome[i]], trace.text(task.exception[i]) || null, site(trace.site(task.site[i])), Boolean(task.eager[i]), waker(trace.canceller(i))]),
    times: range(task.count).map((i) => trace.times(i)),
    paths: range(task.count).map((i) => criticalPath(trace, i).map((piece) => [id(piece.task), piece.from, piece.to, piece.state])),
    runs: range(run.count).map((i) => [id(run.task[i]), head.loops[run.loop[i] - 1].id, run.start[i], run.end[i]]),
    waits: range(wait.count).map((i) => [id(wait.task[i]), wait.start[i], wait.known[i] & 1 ? wait.ready[i] : null, wait.known[i] & 2 ? wait.end[i] : null, trace.kind(i),
      trace.what(i), wait.awaited[i], trace.stack(i).map(site), waker(trace.cause(i))]),
    drawnUntil: Array.from(wait.end),
    callbacks: range(callback.count).map((i) => [trace.text(callback.name[i]), head.loops[callback.loop[i] - 1].id, callback.start[i], callback.end[i]]),
    idle: range(idle.count).map((i) => [head.loops[idle.loop[i] - 1].id, idle.start[i], idle.end[i]]),
    jobs: range(job.count).map((i) => [job.task[i] ? id(job.task[i] - 1) : null, trace.text(job.fn[i]), site(trace.site(job.site[i])), job.submitted[i], known(job.started[i]), known(job.ended[i]),
      job.thread[i] ? head.threads[job.thread[i] - 1] : null]),
    holds: range(trace.hold.count).map((i) => [trace.hold.resource[i], id(trace.hold.task[i]), trace.hold.from[i], known(trace.hold.to[i]), site(trace.site(trace.hold.site[i]))]),
    findings: head.findings.map((finding) => [finding.rule, finding.task === null ? null : id(finding.task), site(trace.site(finding.at))]),
  }),
);

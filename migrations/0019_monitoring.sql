-- What one asks of a fleet: who is well, who does how much, what came of it and what it cost. Views, to be asked by
-- people and by whatever draws charts; nothing in the engine reads them.

-- A row per worker. health: healthy; late: it is online and has not been heard of for 5 s, ten of its heartbeats (a frozen
-- process, a network that is cut, or a database that is overloaded); else its status.
create view goalpost.instance_health as
select i.name as instance_id, i.worker as worker_id, i.status,
  case when i.status <> 'online' then i.status
    when i.heartbeat_at < goalpost.now() - interval '5 seconds' then 'late' else 'healthy' end as health,
  case when i.status = 'online' then (i.load->>'running')::int else 0 end as running,
  (i.load->>'concurrency')::int as concurrency,
  round(case when i.status = 'online' then (i.load->>'running')::numeric / nullif((i.load->>'concurrency')::numeric, 0)
    else 0 end, 3) as load_share,
  i.queues, i.capabilities, i.version, i.host, i.pid, i.started_at, i.heartbeat_at,
  round(extract(epoch from goalpost.now() - i.heartbeat_at) * 1000)::bigint as silent_ms
from goalpost.instances i;

-- A row per instance and workflow: the runs that the instance started.
create view goalpost.run_distribution as
select coalesce(i.name, coalesce(r.first_owner, r.owner)::text) as instance_id, r.workflow, count(*) as runs,
  count(*) filter (where r.finished_at is null) as unfinished,
  count(*) filter (where r.status = 'completed') as completed,
  count(*) filter (where r.status = 'failed') as failed,
  count(*) filter (where r.status = 'cancelled') as cancelled,
  max(r.created_at) as last_started_at
from goalpost.runs r left join goalpost.instances i on i.worker = coalesce(r.first_owner, r.owner)
group by 1, 2;

-- A row per instance: the tasks that it carries out or ended, as far as they have rows, and its tries that came to nothing.
create view goalpost.task_distribution as
select coalesce(i.name, d.worker::text) as instance_id, sum(d.running)::bigint as running,
  sum(d.completed)::bigint as completed, sum(d.failed)::bigint as failed,
  sum(d.failed_tries)::bigint as failed_tries, sum(d.lost_tries)::bigint as lost_tries
from (
  select t.worker, count(*) filter (where t.status = 'running') as running,
    count(*) filter (where t.status = 'completed') as completed,
    count(*) filter (where t.status = 'failed') as failed, 0 as failed_tries, 0 as lost_tries
  from goalpost.tasks t where t.worker is not null group by t.worker
  union all
  select a.worker, 0, 0, 0, count(*) filter (where a.outcome = 'failed'), count(*) filter (where a.outcome = 'lost')
  from goalpost.attempts a where a.worker is not null group by a.worker) d
left join goalpost.instances i on i.worker = d.worker
group by 1;

-- A row per workflow, of its finished runs. cost_cents: the sum of those whose price is known; unpriced_runs: the others.
create view goalpost.workflow_results as
select j.workflow, count(*) as runs,
  count(*) filter (where j.status = 'completed') as completed,
  count(*) filter (where j.status = 'failed') as failed,
  count(*) filter (where j.status = 'cancelled') as cancelled,
  round(count(*) filter (where j.status = 'completed') / count(*)::numeric, 4) as completed_share,
  coalesce(sum(j.cost_cents), 0) as cost_cents,
  count(*) filter (where j.cost_cents is null) as unpriced_runs,
  round(avg(j.duration_ms))::bigint as mean_duration_ms,
  round(percentile_cont(0.5) within group (order by j.duration_ms))::bigint as p50_duration_ms,
  round(percentile_cont(0.95) within group (order by j.duration_ms))::bigint as p95_duration_ms,
  min(j.inserted_at) as first_started_at, max(j.completed_at) as last_completed_at
from goalpost.job_results j
group by j.workflow;

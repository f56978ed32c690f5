-- The lane that a task of a run waits in: the run's, and for shared ones the capabilities that the step requires
-- (_suffix, as '+cap1+cap2' or null). An instance carries out its own runs whatever their steps require.
create or replace function goalpost.lane_of(_lane text, _suffix text) returns text language sql immutable
as $$ select case when _suffix is null or _lane like 'instance:%' then _lane else _lane || _suffix end $$;

-- Without statistics the planner took an index that shares only its first column with a condition for as good as the one
-- that answers it whole, and read all steps (or edges) of a definition for each one it looked for. These share no first
-- column any more.
drop index goalpost.steps_by_name;
create unique index steps_by_name on goalpost.steps (name, definition_id);
drop index goalpost.edges_into;
create index edges_into on goalpost.edges (dst, definition_id);

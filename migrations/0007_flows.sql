-- Dynamic workflows: DAGs that are built row by row. They are what is edited; a run has the compiled definition of
-- the moment it was started, so that adding a step never changes a run. None of these tables is hot.

-- id tells a flow from one that was deleted and had the same name. step_count is the next step's position and, as
-- steps are only ever added, the version of the flow.
create table goalpost.flows (
  id         bigint generated always as identity primary key,
  name       text not null,
  options    json not null,
  step_count int not null default 0,
  created_at timestamptz not null default goalpost.now(),
  constraint flow_name_is_unique unique (name),
  constraint flow_name_is_allowed check (name ~ '^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$' and name not in ('run', '__proto__')),
  constraint flow_is_not_too_large check (step_count between 0 and 10000)
);

-- over is the position of the step that a map goes over; items is what it goes over if that is fixed; with neither it
-- goes over the run's input.
create table goalpost.flow_steps (
  flow_id     bigint not null references goalpost.flows on delete cascade,
  position    int not null,
  name        text not null,
  kind        text not null,
  over        int,
  concurrency int,
  items       json,
  options     json not null,
  primary key (flow_id, position),
  constraint step_name_is_unique unique (flow_id, name),
  constraint step_name_is_allowed check (name ~ '^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$' and name not in ('run', '__proto__')),
  constraint kind_is_known check (kind in ('step', 'map')),
  constraint position_is_in_range check (position between 0 and 9999),
  constraint only_maps_go_over_something check
    (kind = 'map' or (over is null and concurrency is null and items is null)),
  constraint map_has_one_source check (over is null or items is null),
  constraint map_goes_over_an_earlier_step check (over < position),
  constraint concurrency_is_positive check (concurrency > 0),
  constraint items_are_an_array check (items is null or json_typeof(items) = 'array')
);

-- A step only comes after steps that are before it: no cycle can be stored.
create table goalpost.flow_edges (
  flow_id bigint not null,
  src     int not null,
  dst     int not null,
  primary key (flow_id, dst, src),
  constraint edge_leads_forward check (src < dst),
  constraint edge_leads_from_a_step foreign key (flow_id, src) references goalpost.flow_steps on delete cascade,
  constraint edge_leads_to_a_step foreign key (flow_id, dst) references goalpost.flow_steps on delete cascade
);
create index flow_edges_from on goalpost.flow_edges (flow_id, src);

-- Compiled definitions of flows that were deleted. A run may just be being started with one: they go later.
create table goalpost.retired_definitions (
  definition_id bigint primary key,
  retired_at    timestamptz not null
);

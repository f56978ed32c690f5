-- Where workers begin to read lanes that are slow to read from the start: see floor_of.
create unlogged table goalpost.floors (
  worker uuid not null,
  lane   text not null,
  until  double precision not null,
  prio   int not null,
  key    double precision not null,
  rank   double precision not null,
  primary key (worker, lane)
);

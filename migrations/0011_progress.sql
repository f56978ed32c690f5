-- What running tasks say of how far they are.
create table goalpost.progress (
  run_id   uuid not null,
  position int not null,
  item     int not null,
  fraction double precision not null,
  note     text,
  delivery int not null,
  primary key (run_id, position, item),
  constraint fraction_is_part_of_one check (fraction between 0 and 1)
) with (fillfactor = 70);

-- What is left of a sum when so many more were added: of each one before `keep` times as much. So little that it says
-- nothing is 0, and many count as a thousand: PostgreSQL refuses numbers that are too small to write.
create or replace function goalpost.faded(_sum double precision, _keep double precision, _count numeric)
returns double precision language sql immutable
as $$
  select case when _count = 0 then _sum when abs(_sum) < 1e-9 then 0
    else _sum * power(_keep, least(_count, 1000)::double precision) end
$$;

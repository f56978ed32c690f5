-- A position in a shape as a position in the definition that the shape is added to: see add_steps.
create or replace function goalpost.absolute(_base int, _position int) returns int language sql immutable
as $$ select case when _position < 0 then -1 - _position else _base + _position end $$;

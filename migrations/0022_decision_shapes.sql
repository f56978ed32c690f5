-- Of which graph a decision is: whether the runs of one that recurs were slower than promised is asked before the next.
alter table goalpost.decisions add column shape text;
create index decisions_by_shape on goalpost.decisions (shape, decided_at) where kind = 'rank';

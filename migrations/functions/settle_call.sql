-- Writes down how a call ended: once. What others recovered for the call is put right, as long as its run is not final.
-- _outcome: a CallOutcome, the fields of its usage beside the others; without usage what was reserved stands.
-- Returns the warnings that it led to: see charge_budgets.
create or replace function goalpost.settle_call(_outcome json) returns json language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  _o        record;
  _call     goalpost.llm_calls;
  _new      goalpost.llm_calls;
  _warnings json;
begin
  select * into _o from json_to_record(_outcome) as o("callId" text, status text, "inputTokens" bigint,
    "cacheReadTokens" bigint, "cacheWriteTokens" bigint, "outputTokens" bigint, "reasoningTokens" bigint,
    estimated boolean, "costNanoUsd" bigint, "priceSource" text, "unitPrices" jsonb, "servedModel" text,
    "finishReason" text, "errorKind" text, "requestId" text, "responseId" text, "firstTextMs" bigint);
  select * into _call from goalpost.llm_calls c where c.id = _o."callId" for update;
  if not found or not (_call.status = 'reserved' or (_call.recovered and _o."inputTokens" is not null)) then
    return null;
  end if;
  if _call.recovered and exists (
      select 1 from goalpost.runs r where r.id = _call.run_id and r.finished_at is not null) then
    return null;
  end if;
  _new := _call;
  if _o."inputTokens" is not null then
    _new.input_tokens := _o."inputTokens";
    _new.cache_read_tokens := _o."cacheReadTokens";
    _new.cache_write_tokens := _o."cacheWriteTokens";
    _new.output_tokens := _o."outputTokens";
    _new.reasoning_tokens := _o."reasoningTokens";
    _new.estimated := _o.estimated or _o."priceSource" = 'estimate';
    _new.cost_nano_usd := _o."costNanoUsd";
    _new.price_source := _o."priceSource";
    _new.unit_prices := _o."unitPrices";
  end if;
  -- Without a price a budget is charged by the one that the call was reserved at.
  _new.charged_nano_usd := coalesce(_new.cost_nano_usd, round(_call.reserved_nano_usd::numeric
    * (_new.input_tokens + _new.output_tokens) / greatest(1, _call.reserved_tokens)), 0);
  update goalpost.llm_calls set status = _o.status, recovered = false,
    input_tokens = _new.input_tokens, cache_read_tokens = _new.cache_read_tokens,
    cache_write_tokens = _new.cache_write_tokens, output_tokens = _new.output_tokens,
    reasoning_tokens = _new.reasoning_tokens, estimated = _new.estimated, cost_nano_usd = _new.cost_nano_usd,
    price_source = _new.price_source, unit_prices = _new.unit_prices, charged_nano_usd = _new.charged_nano_usd,
    served_model = _o."servedModel", finish_reason = _o."finishReason", error_kind = _o."errorKind",
    provider_request_id = _o."requestId", response_id = _o."responseId", first_text_ms = _o."firstTextMs",
    ended_at = goalpost.now()
  where id = _call.id;
  _warnings := goalpost.charge_budgets(_call, _new);
  -- Tokens that were reserved and not used make room for others.
  update goalpost.rate_limits r set tokens = greatest(0, r.tokens - _call.reserved_tokens + _new.input_tokens + _new.output_tokens)
  from (select s from unnest(array[_call.provider, _call.provider || '/' || _call.model]) s order by 1) k
  where r.scope = k.s and r.tokens > 0 and _call.status = 'reserved'
    and _call.reserved_tokens <> _new.input_tokens + _new.output_tokens;
  return _warnings;
end $$;

/** How texts are embedded. */
export interface EmbedOptions {
  /** The model of requests that name none. Default: see {@link EmbedCallOptions.model}. */
  readonly model?: string | undefined;
}

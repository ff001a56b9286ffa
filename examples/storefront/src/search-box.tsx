/** Search with suggestions: a combobox as in https://www.w3.org/WAI/ARIA/apg/patterns/combobox/. */
import { type KeyboardEvent, useEffect, useId, useState } from "react";
import { useNavigate } from "react-router";
import { useQuery } from "urql";
import { graphql, TileFragment } from "./graphql";
import { Icon } from "./icon";
import { Money, Picture } from "./parts";
import { useTexts } from "./texts";

const SuggestionsQuery = graphql(
  `query Suggestions($text: String!) { products(filter: { search: $text }, first: 6) { nodes { ...Tile } } }`,
  [TileFragment],
);
// Typing is not interrupted by a request for every letter.
const DELAY_MS = 200;
const MIN_LENGTH = 2;
export const MAX_SEARCH_LENGTH = 100;

/** Whether a text has a letter or a digit. The shop refuses others. */
export const isSearchable = (text: string) => /[\p{L}\p{N}]/u.test(text);

export function SearchBox({ initial }: { initial: string }) {
  const texts = useTexts();
  const navigate = useNavigate();
  const list = useId();
  const [text, setText] = useState(initial);
  const [asked, setAsked] = useState("");
  // The option that Enter opens: -1 is the text itself. Null is a closed list.
  const [active, setActive] = useState<number | null>(null);
  const isShort = asked.length < MIN_LENGTH || !isSearchable(asked);
  const [{ data }] = useQuery({ query: SuggestionsQuery, variables: { text: asked }, pause: isShort });
  const products = isShort ? [] : (data?.products.nodes ?? []);
  const isShown = active !== null && products.length > 0;

  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), DELAY_MS);
    return () => clearTimeout(timer);
  }, [text]);

  function open(index: number | null) {
    const product = products[index ?? -1];
    setActive(null);
    if (product) navigate(`/p/${product.slug}`);
    else if (text.trim()) navigate(`/search?q=${encodeURIComponent(text.trim())}`);
  }

  function handleKey(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && products.length) {
      event.preventDefault();
      const count = products.length + 1;
      setActive((((active ?? -1) + 1 + step + count) % count) - 1);
    } else if (event.key === "Escape") setActive(null);
  }

  return (
    <search>
      <form
        className="search"
        onSubmit={(event) => {
          event.preventDefault();
          open(active);
        }}>
        <input
          type="search"
          role="combobox"
          aria-label={texts.searchHint}
          placeholder={texts.searchHint}
          aria-expanded={isShown}
          aria-controls={list}
          aria-autocomplete="list"
          aria-activedescendant={isShown && active >= 0 ? `${list}-${active}` : undefined}
          autoComplete="off"
          enterKeyHint="search"
          maxLength={MAX_SEARCH_LENGTH}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setActive(-1);
          }}
          onKeyDown={handleKey}
          onBlur={() => setActive(null)}
        />
        <button type="submit" aria-label={texts.search}>
          <Icon name="search" />
        </button>
        <ul id={list} className="suggestions card" role="listbox" aria-label={texts.searchHint} hidden={!isShown}>
          {products.map((product, index) => (
            <li
              key={product.id}
              id={`${list}-${index}`}
              role="option"
              aria-selected={index === active}
              // The input keeps the focus.
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => open(index)}>
              <Picture image={product.image} sizes="48px" />
              <span>{product.name}</span>
              <Money amount={product.price} of={product} />
            </li>
          ))}
        </ul>
      </form>
    </search>
  );
}

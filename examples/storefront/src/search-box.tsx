/** Search with suggestions: a combobox as in https://www.w3.org/WAI/ARIA/apg/patterns/combobox/. */
import { type KeyboardEvent, useEffect, useId, useState } from "react";
import { useNavigate } from "react-router";
import { useQuery } from "urql";
import { graphql, TileFragment } from "./graphql";
import { Picture } from "./parts";
import { formatMoney, useTexts } from "./texts";

const SuggestionsQuery = graphql(
  `
    query Suggestions($text: String!) {
      products(filter: { search: $text }, first: 6) { nodes { ...Tile } }
    }
  `,
  [TileFragment],
);

// Typing is not interrupted by a request for every letter.
const DELAY_MS = 200;
const MIN_LENGTH = 2;

export function SearchBox({ initial }: { initial: string }) {
  const texts = useTexts();
  const navigate = useNavigate();
  const list = useId();
  const [text, setText] = useState(initial);
  const [asked, setAsked] = useState("");
  const [isOpen, setIsOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const [{ data }] = useQuery({
    query: SuggestionsQuery,
    variables: { text: asked },
    pause: asked.length < MIN_LENGTH,
  });
  const products = asked.length < MIN_LENGTH ? [] : (data?.products.nodes ?? []);
  const isShown = isOpen && products.length > 0;

  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), DELAY_MS);
    return () => clearTimeout(timer);
  }, [text]);

  function open(index: number) {
    const product = products[index];
    setIsOpen(false);
    setActive(-1);
    if (product) navigate(`/p/${product.slug}`);
    else if (text.trim()) navigate(`/search?q=${encodeURIComponent(text.trim())}`);
  }

  function handleKey(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && products.length) {
      event.preventDefault();
      setIsOpen(true);
      // The position before the first product is the input itself.
      const count = products.length + 1;
      setActive(((active + 1 + step + count) % count) - 1);
    } else if (event.key === "Escape") {
      setIsOpen(false);
      setActive(-1);
    }
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
          maxLength={100}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setIsOpen(true);
            setActive(-1);
          }}
          onKeyDown={handleKey}
          onBlur={() => setIsOpen(false)}
        />
        <button type="submit">{texts.search}</button>
        <ul id={list} role="listbox" aria-label={texts.suggestions} hidden={!isShown}>
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
              <span className="suggestion-price">{formatMoney(product.price, product.currency)}</span>
            </li>
          ))}
        </ul>
      </form>
    </search>
  );
}

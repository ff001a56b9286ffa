/** A list of products with filters and sorting in the URL, and endless scroll that survives the back button. */
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { useLocation, useSearchParams } from "react-router";
import { useQuery } from "urql";
import { hasCode } from "./client";
import { graphql, type ResultOf, TileFragment, type VariablesOf } from "./graphql";
import { Icon } from "./icon";
import { Bones, Choice, Failure, ProductTile, Quiet } from "./parts";
import { useTexts } from "./texts";

const PageQuery = graphql(
  `
    query ProductPage($categorySlug: String, $filter: ProductFilter, $sortBy: ProductSort, $after: String) {
      products(categorySlug: $categorySlug, filter: $filter, sortBy: $sortBy, first: 24, after: $after) {
        nodes { ...Tile } pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [TileFragment],
);
// Separate, so that the products do not wait for the counts, and are shown without them if they fail.
const FacetsQuery = graphql(`
  query Facets($categorySlug: String, $filter: ProductFilter) {
    products(categorySlug: $categorySlug, filter: $filter, first: 1) { totalCount facets {
      priceMin priceMax onSaleCount brands { count brand { id databaseId name } }
      characteristics { name unit values { value count } }
    } }
  }
`);
type Facets = ResultOf<typeof FacetsQuery>["products"]["facets"];
/** The name, value, label and count of a checkbox. */
type Choosable = [name: string, value: string, label: string, count?: number];
type PanelProps = { facets?: Facets; hasBrand: boolean };
// The facets that are shown, and the values of each of them. The others are shown on demand.
const MAX_SHOWN = 8;
const MAX_OPEN = 3;
// The limits of the API: the values of a facet, also brands, and characteristics.
const MAX_VALUES = 50;
const MAX_CHARACTERISTICS = 20;
const PRICES = ["from", "to"] as const;
const AMOUNT = /^\d{1,10}(\.\d{1,2})?$/;
// The parameters of characteristics are c.NAME~UNIT=VALUE.
const CHARACTERISTIC = /^c\.(.*)~([^~]*)$/;
// The brand has a facet of its own.
const BRAND_NAME = /^(brand|бренд)$/i;
type Props = { categorySlug?: string; brand?: number; search?: string };

/** Whether the API accepts a parameter of the URL. */
function isAccepted([name, value]: [string, string]): boolean {
  if (name === "from" || name === "to") return AMOUNT.test(value);
  if (name === "brand") return /^\d{1,18}$/.test(value);
  const [, label, unit = ""] = CHARACTERISTIC.exec(name) ?? [];
  if (label) return label.length <= 100 && unit.length <= 20 && value.length <= 200;
  return ["q", "sort", "stock", "sale"].includes(name);
}

/** Return the filter of the API for the parameters of the URL. */
function readFilter(parameters: URLSearchParams, { brand, search }: Props) {
  const characteristics = [...new Set(parameters.keys())].flatMap((key) => {
    const [, name, unit] = CHARACTERISTIC.exec(key) ?? [];
    return name ? [{ name, unit: unit ?? "", values: parameters.getAll(key).slice(0, MAX_VALUES) }] : [];
  });
  const brands = brand ? [String(brand)] : parameters.getAll("brand");
  // People exchange the prices.
  const amounts = PRICES.map((name) => parameters.get(name));
  if (amounts[0] && amounts[1] && Number(amounts[0]) > Number(amounts[1])) amounts.reverse();
  const [min = null, max = null] = amounts;
  return {
    ...(search && { search }),
    ...((min || max) && { price: { min, max } }),
    ...(parameters.has("stock") && { inStock: true }),
    ...(parameters.has("sale") && { onSale: true }),
    ...(brands.length > 0 && { brands: brands.slice(0, MAX_VALUES) }),
    ...(characteristics.length > 0 && { characteristics: characteristics.slice(0, MAX_CHARACTERISTICS) }),
  };
}

type List = Omit<VariablesOf<typeof PageQuery>, "after">;
const SORTS = ["POPULAR", "PRICE_ASC", "PRICE_DESC", "NEWEST", "DISCOUNT"] as const;

/** Return the parameters of the URL, which people edit, and a function that replaces them by an edited copy. */
function useParameters() {
  const [all, setParameters] = useSearchParams();
  const parameters = new URLSearchParams([...all].filter(isAccepted));
  function change(edit: (next: URLSearchParams) => void) {
    const next = new URLSearchParams(parameters);
    edit(next);
    setParameters(next, { replace: true });
  }
  return { parameters, change };
}

export function ProductList(props: Props) {
  const { categorySlug, brand, search } = props;
  const texts = useTexts();
  const { parameters, change } = useParameters();
  const filter = readFilter(parameters, props);
  const sorts = search ? (["RELEVANCE", ...SORTS] as const) : SORTS;
  const sortBy = sorts.find((sort) => sort === parameters.get("sort")) ?? sorts[0];
  const [{ data, fetching, error }, countAgain] = useQuery({ query: FacetsQuery, variables: { categorySlug, filter } });
  const counts = fetching ? undefined : data;
  const panel = { facets: data?.products.facets, hasBrand: !brand };
  const products = useRef<HTMLElement>(null);
  return (
    <div className="list" aria-busy={fetching}>
      <button type="button" className="skip" onClick={() => products.current?.focus()}>
        {texts.skipFilters}
      </button>
      <details className="filters card" open={matchMedia("(min-width: 900px)").matches}>
        <summary>
          {texts.filters} <Icon name="expand" />
        </summary>
        <Filters {...panel} />
      </details>
      <section ref={products} tabIndex={-1} aria-label={texts.items}>
        <div className="list-head">
          <output>{counts ? texts.products(counts.products.totalCount) : error ? "" : texts.loading}</output>
          <label>
            {texts.sortBy}{" "}
            <select value={sortBy} onChange={({ target }) => change((next) => next.set("sort", target.value))}>
              {sorts.map((sort) => (
                <option key={sort} value={sort}>
                  {texts[sort]}
                </option>
              ))}
            </select>
          </label>
        </div>
        <ChosenFilters {...panel} />
        <Pages
          key={JSON.stringify([filter, sortBy])}
          list={{ categorySlug, filter, sortBy }}
          onRetry={() => error && countAgain({ requestPolicy: "network-only" })}
        />
      </section>
    </div>
  );
}

/** All pages that have been loaded. The entry of the history keeps their number for the back button. */
function Pages({ list, onRetry }: { list: List; onRetry: () => void }) {
  const { key } = useLocation();
  const storageKey = `lavka.pages.${key}.${JSON.stringify(list)}`;
  const [cursors, setCursors] = useState<(string | null)[]>(() =>
    JSON.parse(sessionStorage.getItem(storageKey) ?? "[null]"),
  );
  const [focused, setFocused] = useState<string | null>(null);
  function append(cursor: string, takesFocus: boolean) {
    if (takesFocus) setFocused(cursor);
    if (cursors.includes(cursor)) return;
    const next = [...cursors, cursor];
    sessionStorage.setItem(storageKey, JSON.stringify(next));
    setCursors(next);
  }
  return cursors.map((after, index) => (
    <Page
      key={after}
      {...list}
      after={after}
      takesFocus={after !== null && after === focused}
      onMore={index === cursors.length - 1 ? append : undefined}
      onRetry={onRetry}
    />
  ));
}

type PageProps = { takesFocus: boolean; onMore?: (cursor: string, takesFocus: boolean) => void; onRetry: () => void };

function Page({ takesFocus, onMore, onRetry, ...page }: PageProps & List & { after: string | null }) {
  const texts = useTexts();
  const button = useRef<HTMLButtonElement>(null);
  const tiles = useRef<HTMLUListElement>(null);
  const [{ data, error }, refetch] = useQuery({ query: PageQuery, variables: page });
  const { nodes, pageInfo } = data?.products ?? {};
  const next = pageInfo?.hasNextPage ? pageInfo.endCursor : null;

  useEffect(() => {
    if (!button.current || !next || !onMore) return;
    const load = (entries: IntersectionObserverEntry[]) =>
      entries.at(-1)?.isIntersecting && onMore(next, document.activeElement === button.current);
    const observer = new IntersectionObserver(load, { rootMargin: "400px" });
    observer.observe(button.current);
    return () => observer.disconnect();
  });
  useEffect(() => {
    // The button that had the focus is gone.
    if (takesFocus && nodes) tiles.current?.querySelector("a")?.focus({ preventScroll: true });
  }, [takesFocus, nodes]);

  // Filters that the shop does not know, such as a deleted brand, match no product.
  if (nodes?.length === 0 || hasCode(error, "NOT_FOUND", "INVALID"))
    return <p className="empty">{texts.nothingFound}</p>;
  if (error) return <Failure error={error} refetch={(options) => (refetch(options), onRetry())} />;
  return (
    <>
      <ul className="grid" ref={tiles}>
        {nodes?.map((product, index) => (
          <ProductTile key={product.id} product={product} eager={!page.after && index < 4} />
        ))}
        {!nodes && <Bones count={24} />}
      </ul>
      {onMore && next && (
        <button ref={button} type="button" className="more" onClick={() => onMore(next, true)}>
          {texts.showMore}
        </button>
      )}
    </>
  );
}

/** The filters in use, with a button that removes each of them. */
function ChosenFilters({ facets }: PanelProps) {
  const { parameters, change } = useParameters();
  const texts = useTexts();
  const chosen = [...parameters].filter(([name]) => name !== "q" && name !== "sort");
  if (!chosen.length) return null;
  function describe(name: string, value: string): string {
    if (name === "from" || name === "to") return `${texts[name]} ${value}`;
    if (name === "stock") return texts.inStock;
    if (name === "sale") return texts.onSaleOnly;
    const facet = facets?.brands.find(({ brand }) => String(brand.databaseId) === value);
    if (name === "brand") return facet?.brand.name ?? texts.brand;
    const [, characteristic, unit] = CHARACTERISTIC.exec(name) ?? [];
    return `${characteristic ?? name}: ${value} ${unit ?? ""}`;
  }
  return (
    <ul className="chips" aria-label={texts.filters}>
      {chosen.map(([name, value]) => (
        <li key={`${name}=${value}`}>
          <button type="button" onClick={() => change((next) => next.delete(name, value))}>
            <span className="visually-hidden">{texts.remove}: </span>
            {describe(name, value)} <Icon name="close" />
          </button>
        </li>
      ))}
      <li>
        <Quiet onClick={() => change((next) => chosen.forEach(([name]) => next.delete(name)))}>
          {texts.clearFilters}
        </Quiet>
      </li>
    </ul>
  );
}

function Filters({ facets, hasBrand }: PanelProps) {
  const { parameters, change } = useParameters();
  const texts = useTexts();
  function setPrices(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const values = new FormData(event.currentTarget);
    change((next) => {
      for (const name of PRICES) {
        // People type spaces and commas.
        const value = String(values.get(name)).replace(/\s/g, "").replace(",", ".");
        if (AMOUNT.test(value)) next.set(name, value);
        else next.delete(name);
      }
    });
  }
  const choice = ([name, value, label, count]: Choosable) => (
    <Choice
      key={`${name} ${value}`}
      type="checkbox"
      checked={parameters.has(name, value)}
      onChange={({ target: { checked } }) =>
        change((next) => (checked ? next.append(name, value) : next.delete(name, value)))
      }>
      {label} <small>{count}</small>
    </Choice>
  );
  const isChosen = ([name, value]: Choosable) => parameters.has(name, value);
  const { brands = [], characteristics = [] } = facets ?? {};
  const brandValues = brands.map(({ brand: { databaseId: id, name }, count }): Choosable => [
    "brand",
    `${id}`,
    name,
    count,
  ]);
  const others = characteristics.map(({ name, unit, values }) => ({
    title: unit ? `${name}, ${unit}` : name,
    values: values.map(({ value, count }): Choosable => [`c.${name}~${unit}`, value, value, count]),
  }));
  const groups = [
    ...(hasBrand ? [{ title: texts.brand, values: brandValues }] : []),
    ...others.filter(({ title }) => !brands.length || !BRAND_NAME.test(title)),
    // One value is no choice.
  ].filter(({ values }) => values.length > 1 || values.some(isChosen));
  return (
    <>
      <form key={`${parameters.get("from")}-${parameters.get("to")}`} onSubmit={setPrices}>
        <fieldset>
          <legend>{texts.price}</legend>
          <div className="price-range">
            {PRICES.map((name) => (
              <label key={name}>
                {texts[name]}
                <input
                  name={name}
                  inputMode="decimal"
                  defaultValue={parameters.get(name) ?? ""}
                  placeholder={facets?.[name === "from" ? "priceMin" : "priceMax"]?.replace(".00", "")}
                />
              </label>
            ))}
            <button type="submit">{texts.apply}</button>
          </div>
        </fieldset>
      </form>
      <fieldset>
        <legend className="visually-hidden">{texts.filters}</legend>
        {choice(["stock", "1", texts.inStock])}
        {(!!facets?.onSaleCount || parameters.has("sale")) &&
          choice(["sale", "1", texts.onSaleOnly, facets?.onSaleCount])}
      </fieldset>
      <First
        items={groups}
        isChosen={({ values }) => values.some(isChosen)}
        render={({ title, values }, index) => (
          <Group key={title} title={title} isOpen={index < MAX_OPEN || values.some(isChosen)}>
            <First items={values} isChosen={isChosen} render={choice} />
          </Group>
        )}
      />
    </>
  );
}

/** The values of a facet. Only the shopper closes them again. */
function Group({ title, isOpen, children }: { title: string; isOpen: boolean; children: ReactNode }) {
  const [isFirstOpen] = useState(isOpen);
  return (
    <details open={isFirstOpen}>
      <summary>
        {title} <Icon name="expand" />
      </summary>
      {children}
    </details>
  );
}

type Render<Item> = (item: Item, index: number) => ReactNode;
type FirstProps<Item> = { items: Item[]; isChosen: (item: Item) => boolean; render: Render<Item> };

/** The first items and the chosen ones, with a button that shows the others. */
function First<Item>({ items, isChosen, render }: FirstProps<Item>) {
  const texts = useTexts();
  const [isAll, setIsAll] = useState(false);
  const shown = items.filter((item, index) => isAll || index < MAX_SHOWN || isChosen(item));
  return (
    <>
      {shown.map(render)}
      {items.length > MAX_SHOWN && (
        <Quiet aria-expanded={isAll} onClick={() => setIsAll(!isAll)}>
          {isAll ? texts.showFewer : texts.showAll(items.length)}
        </Quiet>
      )}
    </>
  );
}

/** A list of products with filters and sorting in the URL, and endless scroll that survives the back button. */
import { useEffect, useRef, useState } from "react";
import { useLocation, useSearchParams } from "react-router";
import { useQuery } from "urql";
import { graphql, type ResultOf, TileFragment, type VariablesOf } from "./graphql";
import { Failure, ProductTile } from "./parts";
import { useTexts } from "./texts";

const PAGE_SIZE = 24;
const MAX_SHOWN_VALUES = 12;

const PageQuery = graphql(
  `
    query ProductPage(
      $categorySlug: String, $filter: ProductFilter, $sortBy: ProductSort, $first: Int!, $after: String
    ) {
      products(categorySlug: $categorySlug, filter: $filter, sortBy: $sortBy, first: $first, after: $after) {
        nodes { ...Tile }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [TileFragment],
);
// Separate, so that the products do not wait for the counts.
const FacetsQuery = graphql(`
  query Facets($categorySlug: String, $filter: ProductFilter) {
    products(categorySlug: $categorySlug, filter: $filter, first: 1) {
      totalCount
      facets {
        priceMin priceMax onSaleCount
        brands { count brand { id databaseId name } }
        characteristics { name unit values { value count } }
      }
    }
  }
`);

type Facets = ResultOf<typeof FacetsQuery>["products"]["facets"];
type Filter = NonNullable<VariablesOf<typeof PageQuery>["filter"]>;
type Base = { categorySlug?: string; brand?: number; search?: string };
const SORTS = ["POPULAR", "PRICE_ASC", "PRICE_DESC", "NEWEST", "DISCOUNT"] as const;

// The parameters of characteristics are c.NAME~UNIT=VALUE.
const CHARACTERISTIC = /^c\.(.*)~([^~]*)$/;
const nameParameter = (name: string, unit: string) => `c.${name}~${unit}`;

/** Return the filter of the API for the parameters of the URL. */
function readFilter(parameters: URLSearchParams, { brand, search }: Base): Filter {
  const characteristics = [...new Set(parameters.keys())].flatMap((key) => {
    const [, name, unit] = CHARACTERISTIC.exec(key) ?? [];
    return name ? [{ name, unit: unit ?? "", values: parameters.getAll(key) }] : [];
  });
  const brands = brand ? [String(brand)] : parameters.getAll("brand");
  const [min, max] = [parameters.get("from"), parameters.get("to")];
  return {
    ...(search && { search }),
    ...((min || max) && { price: { min: min || null, max: max || null } }),
    ...(parameters.has("stock") && { inStock: true }),
    ...(parameters.has("sale") && { onSale: true }),
    ...(brands.length > 0 && { brands }),
    ...(characteristics.length > 0 && { characteristics }),
  };
}

export function ProductList(base: Base) {
  const texts = useTexts();
  const [parameters, setParameters] = useSearchParams();
  const filter = readFilter(parameters, base);
  const { categorySlug } = base;
  const sortBy = SORTS.find((sort) => sort === parameters.get("sort"));
  const [{ data, error }, retry] = useQuery({ query: FacetsQuery, variables: { categorySlug, filter } });
  const total = data?.products.totalCount;
  const facets = data?.products.facets;
  const change = (edit: (next: URLSearchParams) => void) => {
    const next = new URLSearchParams(parameters);
    edit(next);
    // In a transition, React would reset a checkbox until the list is rendered.
    setParameters(next, { replace: true, preventScrollReset: true, flushSync: true });
  };
  return (
    <div className="list">
      <details className="filters" open={matchMedia("(min-width: 900px)").matches}>
        <summary>{texts.filters}</summary>
        <Filters facets={facets} parameters={parameters} change={change} hasBrand={!base.brand} />
      </details>
      <section aria-label={texts.items}>
        <div className="list-head">
          <output>{total === undefined ? texts.loading : texts.products(total)}</output>
          <label>
            {texts.sortBy}{" "}
            <select
              value={sortBy ?? ""}
              onChange={(event) =>
                change((next) => (event.target.value ? next.set("sort", event.target.value) : next.delete("sort")))
              }>
              <option value="">{base.search ? texts.sorts.RELEVANCE : texts.sorts.POPULAR}</option>
              {SORTS.filter((sort) => base.search || sort !== "POPULAR").map((sort) => (
                <option key={sort} value={sort}>
                  {texts.sorts[sort]}
                </option>
              ))}
            </select>
          </label>
        </div>
        {error && <Failure error={error} retry={() => retry({ requestPolicy: "network-only" })} />}
        {total === 0 && <p>{texts.nothingFound}</p>}
        <Pages
          key={JSON.stringify([filter, sortBy])}
          variables={{ categorySlug, filter, sortBy: sortBy ?? (base.search ? null : "POPULAR") }}
        />
      </section>
    </div>
  );
}

/** All pages that have been loaded. The entry of the history keeps their number for the back button. */
function Pages({ variables }: { variables: Omit<VariablesOf<typeof PageQuery>, "first" | "after"> }) {
  const { key } = useLocation();
  const storageKey = `lavka.pages.${key}.${JSON.stringify(variables)}`;
  const [cursors, setCursors] = useState<(string | null)[]>(() =>
    JSON.parse(sessionStorage.getItem(storageKey) ?? "[null]"),
  );
  function append(cursor: string) {
    if (cursors.includes(cursor)) return;
    const next = [...cursors, cursor];
    sessionStorage.setItem(storageKey, JSON.stringify(next));
    setCursors(next);
  }
  return (
    <>
      {cursors.map((after, index) => (
        <Page
          key={after}
          variables={{ ...variables, after }}
          isFirst={index === 0}
          onMore={index === cursors.length - 1 ? append : undefined}
        />
      ))}
    </>
  );
}

function Page({
  variables,
  isFirst,
  onMore,
}: {
  variables: Omit<VariablesOf<typeof PageQuery>, "first">;
  isFirst: boolean;
  onMore?: (cursor: string) => void;
}) {
  const texts = useTexts();
  const button = useRef<HTMLButtonElement>(null);
  const [{ data, error, fetching }, retry] = useQuery({
    query: PageQuery,
    variables: { ...variables, first: PAGE_SIZE },
  });
  const next = data?.products.pageInfo.hasNextPage ? data.products.pageInfo.endCursor : null;

  useEffect(() => {
    if (!button.current || !next || !onMore) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && onMore(next), {
      rootMargin: "400px",
    });
    observer.observe(button.current);
    return () => observer.disconnect();
  });

  if (error) return <Failure error={error} retry={() => retry({ requestPolicy: "network-only" })} />;
  return (
    <>
      <ul className="grid">
        {data?.products.nodes.map((product, index) => (
          <ProductTile key={product.id} product={product} eager={isFirst && index < 4} />
        ))}
        {fetching &&
          !data &&
          [1, 2, 3, 4].map((index) => <li key={index} className="bone bone-tile" aria-hidden="true" />)}
      </ul>
      {onMore && next && (
        <button ref={button} type="button" className="more" onClick={() => onMore(next)}>
          {texts.showMore}
        </button>
      )}
    </>
  );
}

function Filters({
  facets,
  parameters,
  change,
  hasBrand,
}: {
  facets: Facets | undefined;
  parameters: URLSearchParams;
  change: (edit: (next: URLSearchParams) => void) => void;
  hasBrand: boolean;
}) {
  const texts = useTexts();
  const toggle = (name: string, value: string) =>
    change((next) => (next.has(name, value) ? next.delete(name, value) : next.append(name, value)));
  return (
    <div className="filters-body">
      <form
        key={`${parameters.get("from")}-${parameters.get("to")}`}
        onSubmit={(event) => {
          event.preventDefault();
          const values = new FormData(event.currentTarget);
          change((next) => {
            for (const name of ["from", "to"]) {
              // People type spaces and commas.
              const value = String(values.get(name)).replace(/\s/g, "").replace(",", ".");
              if (/^\d+(\.\d{1,2})?$/.test(value)) next.set(name, value);
              else next.delete(name);
            }
          });
        }}>
        <fieldset>
          <legend>{texts.price}</legend>
          <div className="price-range">
            <label>
              {texts.from}
              <input
                name="from"
                inputMode="decimal"
                defaultValue={parameters.get("from") ?? ""}
                placeholder={facets?.priceMin ?? ""}
              />
            </label>
            <label>
              {texts.to}
              <input
                name="to"
                inputMode="decimal"
                defaultValue={parameters.get("to") ?? ""}
                placeholder={facets?.priceMax ?? ""}
              />
            </label>
            <button type="submit">{texts.apply}</button>
          </div>
        </fieldset>
      </form>
      <fieldset>
        <legend className="visually-hidden">{texts.filters}</legend>
        <Choice label={texts.inStockOnly} isChosen={parameters.has("stock")} onToggle={() => toggle("stock", "1")} />
        {(!!facets?.onSaleCount || parameters.has("sale")) && (
          <Choice
            label={texts.onSaleOnly}
            count={facets?.onSaleCount}
            isChosen={parameters.has("sale")}
            onToggle={() => toggle("sale", "1")}
          />
        )}
      </fieldset>
      {hasBrand && !!facets?.brands.length && (
        <fieldset>
          <legend>{texts.brand}</legend>
          {facets.brands.slice(0, MAX_SHOWN_VALUES).map(({ brand, count }) => (
            <Choice
              key={brand.id}
              label={brand.name}
              count={count}
              isChosen={parameters.has("brand", String(brand.databaseId))}
              onToggle={() => toggle("brand", String(brand.databaseId))}
            />
          ))}
        </fieldset>
      )}
      {facets?.characteristics.map(({ name, unit, values }) => (
        <fieldset key={`${name}~${unit}`}>
          <legend>{unit ? `${name}, ${unit}` : name}</legend>
          {values.slice(0, MAX_SHOWN_VALUES).map(({ value, count }) => (
            <Choice
              key={value}
              label={value}
              count={count}
              isChosen={parameters.has(nameParameter(name, unit), value)}
              onToggle={() => toggle(nameParameter(name, unit), value)}
            />
          ))}
        </fieldset>
      ))}
      {[...parameters.keys()].some((name) => name !== "q" && name !== "sort") && (
        <button
          type="button"
          className="quiet"
          onClick={() =>
            change((next) => {
              for (const name of parameters.keys()) if (name !== "q" && name !== "sort") next.delete(name);
            })
          }>
          {texts.clearFilters}
        </button>
      )}
    </div>
  );
}

function Choice({
  label,
  count,
  isChosen,
  onToggle,
}: {
  label: string;
  count?: number;
  isChosen: boolean;
  onToggle: () => void;
}) {
  return (
    <label className="choice">
      <input type="checkbox" checked={isChosen} onChange={onToggle} />
      <span>{label}</span>
      {count !== undefined && <small>{count}</small>}
    </label>
  );
}

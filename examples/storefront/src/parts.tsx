/** Small parts that several pages share. */
import { createContext, type FormEvent, type ReactNode, use, useEffect, useId, useMemo, useRef } from "react";
import { Link } from "react-router";
import { type AnyVariables, type CombinedError, type TypedDocumentNode, useMutation } from "urql";
import { ClickMutation, type List, type ResultOf, type TileFragment, type UserError } from "./graphql";
import { formatMoney, useTexts } from "./texts";
import { useCart } from "./cart";
import { WishButton } from "./wishlist";

export type Tile = ResultOf<typeof TileFragment>;

/** Announce a change to screen readers, and show it for a few seconds. */
export const AnnounceContext = createContext<(message: string) => void>(() => {});
export const useAnnounce = () => use(AnnounceContext);

let isFirstPage = true;

/** The heading of a page, which gets the focus after a navigation, and the title of the document. */
export function PageHeading({ children, className }: { children: string; className?: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!isFirstPage) heading.current?.focus({ preventScroll: true });
    isFirstPage = false;
  }, []);
  return (
    <>
      <title>{`${children} · Lavka`}</title>
      <h1 ref={heading} tabIndex={-1} className={className}>
        {children}
      </h1>
    </>
  );
}

export function Price({ product }: { product: Pick<Tile, "price" | "compareAtPrice" | "currency"> }) {
  const texts = useTexts();
  return (
    <p className="price">
      <span className={product.compareAtPrice ? "price-now on-sale" : "price-now"}>
        {formatMoney(product.price, product.currency)}
      </span>
      {product.compareAtPrice && (
        <>
          {" "}
          <s>
            <span className="visually-hidden">{texts.was} </span>
            {formatMoney(product.compareAtPrice, product.currency)}
          </s>
        </>
      )}
    </p>
  );
}

/** A picture in the size that the layout gives it, without a shift when it arrives. */
export function Picture({ image, sizes, eager = false }: { image: Tile["image"]; sizes: string; eager?: boolean }) {
  if (!image) return <div className="no-picture" aria-hidden="true" />;
  return (
    <img
      src={image.url}
      srcSet={image.srcset}
      sizes={sizes}
      width={image.width}
      height={image.height}
      alt={image.alt}
      loading={eager ? "eager" : "lazy"}
      decoding="async"
    />
  );
}

export function ProductTile({ product, eager = false, list }: { product: Tile; eager?: boolean; list?: List }) {
  const texts = useTexts();
  const { add, isBusy } = useCart();
  const [, count] = useMutation(ClickMutation);
  const { price, compareAtPrice } = product;
  const reduction = compareAtPrice && Math.round((1 - Number(price) / Number(compareAtPrice)) * 100);
  return (
    <li className="tile">
      <Link to={`/p/${product.slug}`} state={{ list }} onClick={() => list && count({ list })} className="tile-link">
        <span className="tile-picture">
          <Picture image={product.image} sizes="(max-width: 700px) 46vw, 280px" eager={eager} />
          <span className="badges">
            {product.isNew && <span className="badge">{texts.isNew}</span>}
            {!!reduction && <span className="badge badge-sale">{texts.sale(reduction)}</span>}
          </span>
        </span>
        <span className="tile-name">{product.name}</span>
      </Link>
      <Price product={product} />
      <div className="tile-actions">
        <button type="button" disabled={!product.inStock || isBusy} onClick={() => add(product, list)}>
          {product.inStock ? texts.addToBasket : texts.soldOut}
          <span className="visually-hidden">: {product.name}</span>
        </button>
        <WishButton product={product} />
      </div>
    </li>
  );
}

/** A heading with a row of products; nothing if there are none. */
export function ProductRow({ title, products, list }: { title: string; products?: Tile[]; list?: List }) {
  const id = useId();
  if (!products?.length) return null;
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <ul className="grid grid-row">
        {products.map((product) => (
          <ProductTile key={product.id} product={product} list={list} />
        ))}
      </ul>
    </section>
  );
}

export function Breadcrumbs({ path }: { path: { slug: string; name: string }[] }) {
  const texts = useTexts();
  return (
    <nav aria-label={texts.breadcrumbs} className="breadcrumbs">
      <ol>
        <li>
          <Link to="/">{texts.home}</Link>
        </li>
        {path.map(({ slug, name }) => (
          <li key={slug}>
            <Link to={`/c/${slug}`}>{name}</Link>
          </li>
        ))}
      </ol>
    </nav>
  );
}

export function Loading() {
  const texts = useTexts();
  return (
    <div className="skeleton">
      <output className="visually-hidden">{texts.loading}</output>
      <div className="bone bone-title" />
      <ul className="grid" aria-hidden="true">
        {[1, 2, 3, 4, 5, 6, 7, 8].map((index) => (
          <li key={index} className="bone bone-tile" />
        ))}
      </ul>
    </div>
  );
}

/** The reason why a query failed, with a button that repeats it. */
export function Failure({ error, retry }: { error: CombinedError; retry: () => void }) {
  const texts = useTexts();
  return (
    <div role="alert" className="notice notice-error">
      <p>
        <strong>{texts.failed}.</strong> {error.networkError ? texts.offline : error.graphQLErrors[0]?.message}
      </p>
      <button type="button" onClick={retry}>
        {texts.retry}
      </button>
    </div>
  );
}

/** Whether the field of an error ends with these names. */
function isAbout({ field }: UserError, path: string[]): boolean {
  return !!field && path.every((name, index) => field[field.length - path.length + index] === name);
}

/** A labelled input, with the errors about it. `path` is the end of the field of an error. */
export function Field({
  label,
  path,
  errors = [],
  isOptional = false,
  ...input
}: {
  label: string;
  path: string;
  errors?: readonly UserError[];
  isOptional?: boolean;
} & React.ComponentProps<"input">) {
  const texts = useTexts();
  const id = useId();
  const own = errors.filter((error) => isAbout(error, path.split(".")));
  return (
    <div className="field">
      <label htmlFor={id}>
        {label} {isOptional && <small>({texts.optional})</small>}
      </label>
      <input
        id={id}
        name={path}
        aria-invalid={own.length > 0 || undefined}
        aria-describedby={own.length ? `${id}-error` : undefined}
        {...input}
      />
      {own.length > 0 && (
        <p id={`${id}-error`} className="field-error">
          {own.map(({ message }) => message).join(" ")}
        </p>
      )}
    </div>
  );
}

/** A form that passes its values to `onSend`, with the errors that belong to none of its fields. */
export function Form({
  onSend,
  errors,
  fields,
  children,
  className,
}: {
  onSend: (values: Record<string, string>) => void;
  errors: readonly UserError[];
  fields: string[];
  children: ReactNode;
  className?: string;
}) {
  const form = useRef<HTMLFormElement>(null);
  const others = errors.filter((error) => !fields.some((path) => isAbout(error, path.split("."))));
  useEffect(() => {
    if (errors.length) form.current?.querySelector<HTMLElement>("[aria-invalid], [role=alert]")?.focus();
  }, [errors]);
  function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(event.currentTarget));
    onSend(values as Record<string, string>);
  }
  return (
    <form ref={form} onSubmit={send} noValidate className={className ?? "form"}>
      {others.length > 0 && (
        <div role="alert" tabIndex={-1} className="notice notice-error">
          {others.map(({ message }) => (
            <p key={message}>{message}</p>
          ))}
        </div>
      )}
      {children}
    </form>
  );
}

/** A mutation with one payload: its errors, also those that kept it from running, and a function that sends it. */
export function useAction<Data extends object, Variables extends AnyVariables>(
  mutation: TypedDocumentNode<Data, Variables>,
) {
  const { offline } = useTexts();
  const [{ data, error, fetching }, send] = useMutation(mutation);
  const errors = useMemo(() => readPayload(data, error, offline).errors, [data, error, offline]);
  const run = async (variables: Variables) => {
    const result = await send(variables);
    return readPayload(result.data, result.error, offline);
  };
  return { errors, run, isRunning: fetching };
}

/** Return the errors of the only payload and, if there are none, the payload. */
function readPayload<Data extends object>(data: Data | undefined, error: CombinedError | undefined, offline: string) {
  const payload = (Object.values(data ?? {}).find((value) => typeof value === "object") ?? null) as
    Data[keyof Data] | null;
  const message = error?.networkError ? offline : (error?.graphQLErrors[0]?.message ?? error?.message);
  const errors: readonly UserError[] = message
    ? [{ code: "INTERNAL", message, field: null }]
    : ((payload as { errors: UserError[] } | null)?.errors ?? []);
  return { errors, payload: errors.length ? null : payload };
}

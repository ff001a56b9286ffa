/** Small parts that several pages share. */
import { type ComponentProps, type ReactNode, useEffect, useId, useRef } from "react";
import { Link, useLocation } from "react-router";
import { type AnyVariables, type CombinedError, useMutation, useQuery, type UseQueryArgs } from "urql";
import { useCart } from "./cart";
import { type CartFragment, ClickMutation, type List, type ResultOf, type TileFragment } from "./graphql";
import { useIsLoggedIn } from "./store";
import { formatMoney, useTexts } from "./texts";
import { useWishlist, WishButton } from "./wishlist";

export type Tile = ResultOf<typeof TileFragment>;
let isFirstPage = true;

/** The heading of a page, which gets the focus after a navigation, and what search engines show of the page. */
export function Heading(props: { children: string; title?: string; description?: string }) {
  const { children, title, description } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!isFirstPage) heading.current?.focus({ preventScroll: true });
    isFirstPage = false;
  }, []);
  return (
    <>
      <title>{title || `${children} · Lavka`}</title>
      {description && <meta name="description" content={description} />}
      <h1 ref={heading} tabIndex={-1}>
        {children}
      </h1>
    </>
  );
}

/** Return the address of the login, which leads back to this page. */
export function useLoginPath(): string {
  const { pathname, search } = useLocation();
  const isLogin = /^\/(login|register|reset)$/.test(pathname);
  return isLogin ? `/login${search}` : `/login?next=${encodeURIComponent(pathname + search)}`;
}

export function Choice({ children, ...input }: ComponentProps<"input">) {
  return (
    <label className="choice">
      <input name="choice" {...input} />
      <span>{children}</span>
    </label>
  );
}

export const LoginLink = (props: { className?: string; children: string }) => <Link to={useLoginPath()} {...props} />;

/** A button of less weight than others. */
export function Quiet(props: ComponentProps<"button">) {
  return <button type="button" className="quiet" {...props} />;
}

export function Money({ amount, of }: { amount: string; of: { currency: string } }) {
  return <span className="money">{formatMoney(amount, of.currency)}</span>;
}

export function Price({ product }: { product: Pick<Tile, "price" | "compareAtPrice" | "currency"> }) {
  const texts = useTexts();
  return (
    <p className={product.compareAtPrice ? "price on-sale" : "price"}>
      <Money amount={product.price} of={product} />{" "}
      {product.compareAtPrice && (
        <s>
          <span className="visually-hidden">{texts.was} </span>
          <Money amount={product.compareAtPrice} of={product} />
        </s>
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

export function Badges({ product: { isNew, inStock, price, compareAtPrice } }: { product: Tile }) {
  const texts = useTexts();
  const reduction = compareAtPrice && Math.round((1 - Number(price) / Number(compareAtPrice)) * 100);
  return (
    <span className="badges">
      {!inStock && <span className="badge badge-out">{texts.soldOut}</span>}
      {isNew && inStock && <span className="badge">{texts.isNew}</span>}
      {!!reduction && <span className="badge badge-sale">{texts.sale(reduction)}</span>}
    </span>
  );
}

/** A button that puts a product into the basket or, if it is sold out, asks for a mail when it is back. */
export function BuyButton({ product, list, className }: { product: Tile; list?: List; className?: string }) {
  const texts = useTexts();
  const isLoggedIn = useIsLoggedIn();
  const { add, isBusy } = useCart();
  const wishlist = useWishlist();
  if (!product.inStock && !isLoggedIn) return <LoginLink className="button notify">{texts.notify}</LoginLink>;
  const isNotified = !product.inStock && !!wishlist.find(product)?.notify;
  const act = () => (product.inStock ? add(product, list) : wishlist.add(product, true));
  return (
    <button type="button" className={className} disabled={isBusy || isNotified} onClick={act}>
      {product.inStock ? texts.addToBasket : isNotified ? texts.notified : texts.notify}
      <span className="visually-hidden">: {product.name}</span>
    </button>
  );
}

export function ProductTile({ product, eager = false, list }: { product: Tile; eager?: boolean; list?: List }) {
  const [, count] = useMutation(ClickMutation);
  return (
    <li className="tile">
      <Link to={`/p/${product.slug}`} state={{ list }} onClick={() => list && count({ list })} className="tile-link">
        <span className="tile-picture">
          <Picture image={product.image} sizes="(max-width: 700px) 46vw, 280px" eager={eager} />
          <Badges product={product} />
        </span>
        <span className="tile-name">{product.name}</span>
      </Link>
      <Price product={product} />
      <BuyButton product={product} list={list} />
      <WishButton product={product} />
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
      <ul className="grid">
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
      <Link to="/">{texts.home}</Link>
      {path.map(({ slug, name }) => (
        <Link key={slug} to={`/c/${slug}`}>
          {name}
        </Link>
      ))}
    </nav>
  );
}

type Amounts = Pick<ResultOf<typeof CartFragment>, "subtotal" | "discount" | "total" | "currency">;

export function Totals({ of }: { of: Amounts }) {
  const texts = useTexts();
  const row = (label: string, amount: string, sign = "") => (
    <div>
      <dt>{label}</dt>
      <dd className="money">{sign + formatMoney(amount, of.currency)}</dd>
    </div>
  );
  return (
    <dl className="totals" aria-live="polite">
      {Number(of.discount) > 0 && row(texts.subtotal, of.subtotal)}
      {Number(of.discount) > 0 && row(texts.discount, of.discount, "−")}
      {row(texts.total, of.total)}
    </dl>
  );
}

/** Messages about a form or a page; nothing if there are none. */
export function Notice({ messages, className = "notice" }: { messages: { message: string }[]; className?: string }) {
  if (!messages.length) return null;
  return (
    <div role="alert" tabIndex={-1} className={className}>
      {messages.map(({ message }) => (
        <p key={message}>{message}</p>
      ))}
    </div>
  );
}

/** A page that has nothing to show, and what to do about it. */
export function Empty({ title, children, action }: { title: string; children: string; action?: ReactNode }) {
  const texts = useTexts();
  return (
    <div className="empty">
      <Heading>{title}</Heading>
      <p>{children}</p>
      {action ?? (
        <Link to="/" className="button">
          {texts.goShopping}
        </Link>
      )}
    </div>
  );
}

export function NotFoundPage() {
  const texts = useTexts();
  return <Empty title={texts.notFound}>{texts.notFoundMore}</Empty>;
}

/** Grey tiles in the place of those that load. */
export function Bones({ count }: { count: number }): ReactNode {
  return Array.from({ length: count }, (_, index) => <li key={index} className="bone bone-tile" aria-hidden="true" />);
}

export function Loading() {
  const texts = useTexts();
  return (
    <>
      <output className="visually-hidden">{texts.loading}</output>
      <ul className="grid">
        <Bones count={8} />
      </ul>
    </>
  );
}

type Refetch = (options: { requestPolicy: "network-only" }) => void;

/** The reason why a query failed, with a button that repeats it. */
export function Failure({ error, refetch }: { error?: CombinedError; refetch: Refetch }) {
  const texts = useTexts();
  return (
    <div role="alert" className="notice notice-error">
      <p>
        <strong>{texts.failed}.</strong> {error?.graphQLErrors[0]?.message ?? texts.offline}
      </p>
      <button type="button" onClick={() => refetch({ requestPolicy: "network-only" })}>
        {texts.retry}
      </button>
    </div>
  );
}

/** What is shown in the place of data: that they load, or why they cannot. */
export function Waiting({ error, refetch }: { error?: CombinedError; refetch: Refetch }) {
  return error ? <Failure error={error} refetch={refetch} /> : <Loading />;
}

/** Run the query of a page. Until `data` are complete, the page shows `waiting`. */
export function usePage<Data, Variables extends AnyVariables>(query: UseQueryArgs<Variables, Data>) {
  const [{ data, error, fetching }, refetch] = useQuery(query);
  return { data: error || fetching ? undefined : data, waiting: <Waiting error={error} refetch={refetch} /> };
}

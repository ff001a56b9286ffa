import { Link } from "react-router";
import { useQuery } from "urql";
import { useCart } from "../cart";
import { CartFragment, graphql, type ResultOf, TileFragment } from "../graphql";
import { Failure, Field, Form, Loading, PageHeading, Picture, ProductRow, useAction } from "../parts";
import { formatMoney, useTexts } from "../texts";

const ApplyMutation = graphql(
  `
    mutation PromoCodeApply($code: String!) {
      cartPromoCodeApply(code: $code) { cart { ...Cart } errors { code message field } }
    }
  `,
  [CartFragment],
);
const ForgetMutation = graphql(
  `mutation PromoCodeRemove { cartPromoCodeRemove { cart { ...Cart } errors { code message field } } }`,
  [CartFragment],
);
const SuggestionsQuery = graphql(`query CartSuggestions { cart { id suggestions(first: 4) { ...Tile } } }`, [
  TileFragment,
]);

type Cart = ResultOf<typeof CartFragment>;
const MAX_QUANTITY = 999;

export function BasketPage() {
  const texts = useTexts();
  const { cart, error, fetching, refetch } = useCart();
  const isEmpty = !cart?.lines.length;
  const [suggestions] = useQuery({ query: SuggestionsQuery, pause: isEmpty });
  return (
    <>
      <PageHeading>{texts.basket}</PageHeading>
      {error && <Failure error={error} retry={() => refetch({ requestPolicy: "network-only" })} />}
      {fetching && !cart && <Loading />}
      {cart && isEmpty && (
        <p>
          {texts.basketEmpty} <Link to="/">{texts.goShopping}</Link>
        </p>
      )}
      {cart && !isEmpty && (
        <div className="columns">
          <Lines cart={cart} />
          <aside className="summary" aria-label={texts.total}>
            <Totals cart={cart} />
            <PromoCode cart={cart} />
            <Link to="/checkout" className="button">
              {texts.checkout}
            </Link>
          </aside>
        </div>
      )}
      {!isEmpty && (
        <ProductRow
          title={texts.suggestedForCart}
          list="CART_SUGGESTIONS"
          products={suggestions.data?.cart.suggestions}
        />
      )}
    </>
  );
}

function Lines({ cart }: { cart: Cart }) {
  const texts = useTexts();
  const { update, remove, isBusy } = useCart();
  return (
    <div>
      {cart.warnings.length > 0 && (
        <div role="alert" className="notice">
          {cart.warnings.map(({ message }) => (
            <p key={message}>{message}</p>
          ))}
        </div>
      )}
      <ul className="lines">
        {cart.lines.map(({ id, product, quantity, lineTotal, isAvailable }) => (
          <li key={id} className={isAvailable ? "line" : "line line-unavailable"}>
            <Picture image={product.image} sizes="96px" />
            <div className="line-main">
              {product.slug ? <Link to={`/p/${product.slug}`}>{product.name}</Link> : <span>{product.name}</span>}
              <div className="quantity">
                <button
                  type="button"
                  aria-label={`${texts.less}: ${product.name}`}
                  disabled={isBusy || quantity === 1}
                  onClick={() => update(product, quantity - 1)}>
                  −
                </button>
                <input
                  key={quantity}
                  type="text"
                  inputMode="numeric"
                  aria-label={texts.quantity(product.name)}
                  defaultValue={quantity}
                  onBlur={(event) => {
                    const wanted = Number(event.target.value);
                    if (Number.isInteger(wanted) && wanted >= 1 && wanted <= MAX_QUANTITY) {
                      if (wanted !== quantity) update(product, wanted);
                    } else event.target.value = String(quantity);
                  }}
                  onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
                />
                <button
                  type="button"
                  aria-label={`${texts.more}: ${product.name}`}
                  disabled={isBusy || quantity === MAX_QUANTITY}
                  onClick={() => update(product, quantity + 1)}>
                  +
                </button>
              </div>
            </div>
            <p className="line-total">{formatMoney(lineTotal, cart.currency)}</p>
            <button
              type="button"
              className="quiet"
              aria-label={`${texts.remove}: ${product.name}`}
              disabled={isBusy}
              onClick={() => remove(product)}>
              {texts.remove}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function Totals({ cart }: { cart: Pick<Cart, "subtotal" | "discount" | "total" | "currency"> }) {
  const texts = useTexts();
  return (
    <dl className="totals" aria-live="polite">
      {Number(cart.discount) > 0 && (
        <>
          <div>
            <dt>{texts.subtotal}</dt>
            <dd>{formatMoney(cart.subtotal, cart.currency)}</dd>
          </div>
          <div>
            <dt>{texts.discount}</dt>
            <dd>−{formatMoney(cart.discount, cart.currency)}</dd>
          </div>
        </>
      )}
      <div className="totals-sum">
        <dt>{texts.total}</dt>
        <dd>{formatMoney(cart.total, cart.currency)}</dd>
      </div>
    </dl>
  );
}

function PromoCode({ cart }: { cart: Cart }) {
  const texts = useTexts();
  const { errors, run, isRunning } = useAction(ApplyMutation);
  const removal = useAction(ForgetMutation);
  if (cart.promoCode) {
    return (
      <p className="promo-code">
        {texts.promoCode}: <strong>{cart.promoCode}</strong>{" "}
        <button type="button" className="quiet" onClick={() => removal.run({})}>
          {texts.remove}
        </button>
      </p>
    );
  }
  return (
    <Form className="form form-row" fields={["code"]} errors={errors} onSend={({ code }) => run({ code: code! })}>
      <Field label={texts.promoCode} path="code" errors={errors} autoComplete="off" maxLength={64} />
      <button type="submit" disabled={isRunning}>
        {texts.apply}
      </button>
    </Form>
  );
}

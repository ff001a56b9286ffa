import { Link } from "react-router";
import { useQuery } from "urql";
import { useAction, useAnnounce } from "../actions";
import { useCart } from "../cart";
import { Field, Form } from "../form";
import { type CartFragment, CartPayloadFragment, graphql, type ResultOf, TileFragment } from "../graphql";
import { Empty, Money, Notice, Heading, Picture, ProductRow, Quiet, Totals, Waiting } from "../parts";
import { useTexts } from "../texts";

const ApplyMutation = graphql(
  `mutation PromoCodeApply($code: String!) { cartPromoCodeApply(code: $code) { ...CartPayload } }`,
  [CartPayloadFragment],
);
const ForgetMutation = graphql(`mutation PromoCodeRemove { cartPromoCodeRemove { ...CartPayload } }`, [
  CartPayloadFragment,
]);
const SuggestionsQuery = graphql(`query CartSuggestions { cart { id suggestions(first: 5) { ...Tile } } }`, [
  TileFragment,
]);
type Cart = ResultOf<typeof CartFragment>;
const MAX_QUANTITY = 999;
const QUANTITY = /^0*[1-9]\d{0,2}$/;

export function BasketPage() {
  const texts = useTexts();
  const { cart, error, refetch } = useCart();
  const isEmpty = !cart?.lines.length;
  const [{ data }] = useQuery({ query: SuggestionsQuery, pause: isEmpty });
  if (!cart) return <Waiting error={error} refetch={refetch} />;
  if (isEmpty) return <Empty title={texts.basket}>{texts.basketEmpty}</Empty>;
  return (
    <>
      <Heading>{texts.basket}</Heading>
      <div className="columns">
        <Lines cart={cart} />
        <aside className="card summary" aria-label={texts.total}>
          <Totals of={cart} />
          <PromoCode cart={cart} />
          <Link to="/checkout" className="button">
            {texts.checkout}
          </Link>
        </aside>
      </div>
      <ProductRow title={texts.suggestedForCart} list="CART_SUGGESTIONS" products={data?.cart.suggestions} />
    </>
  );
}

function Lines({ cart }: { cart: Cart }) {
  const texts = useTexts();
  const { update, isBusy } = useCart();
  return (
    <div>
      <Notice messages={cart.warnings} />
      <ul className="lines card">
        {cart.lines.map(({ id, product, quantity, unitPrice, lineTotal, isAvailable }) => (
          <li key={id} className={isAvailable ? "line" : "line line-unavailable"}>
            <Picture image={product.image} sizes="96px" />
            <div className="line-main">
              {product.slug ? <Link to={`/p/${product.slug}`}>{product.name}</Link> : <span>{product.name}</span>}
              {quantity > 1 && (
                <small>
                  {quantity} × <Money amount={unitPrice} of={cart} />
                </small>
              )}
            </div>
            <strong className="line-total">
              <Money amount={lineTotal} of={cart} />
            </strong>
            <div className="line-actions">
              <Quantity name={product.name} quantity={quantity} onChange={(n) => update(product, n)} />
              <Quiet
                aria-label={`${texts.remove}: ${product.name}`}
                disabled={isBusy}
                onClick={() => update(product, 0)}>
                {texts.remove}
              </Quiet>
            </div>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Quantity(props: { name: string; quantity: number; onChange: (quantity: number) => void }) {
  const { name, quantity, onChange } = props;
  const texts = useTexts();
  const announce = useAnnounce();
  const step = (label: string, sign: string, next: number) => (
    <button
      type="button"
      aria-label={`${label}: ${name}`}
      disabled={next < 1 || next > MAX_QUANTITY}
      onClick={() => onChange(next)}>
      {sign}
    </button>
  );
  return (
    <div className="quantity">
      {step(texts.less, "−", quantity - 1)}
      <input
        key={quantity}
        type="text"
        inputMode="numeric"
        aria-label={texts.quantity(name)}
        defaultValue={quantity}
        onBlur={({ target }) => {
          const wanted = target.value.trim();
          if (!QUANTITY.test(wanted)) {
            target.value = String(quantity);
            announce(texts.quantityLimits);
          } else if (Number(wanted) !== quantity) onChange(Number(wanted));
        }}
        onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
      />
      {step(texts.more, "+", quantity + 1)}
    </div>
  );
}

function PromoCode({ cart }: { cart: Cart }) {
  const texts = useTexts();
  const applying = useAction(ApplyMutation);
  const removal = useAction(ForgetMutation);
  if (cart.promoCode) {
    return (
      <p>
        {texts.promoCode}: <strong>{cart.promoCode}</strong>{" "}
        <Quiet onClick={() => removal.run({})}>{texts.remove}</Quiet>
      </p>
    );
  }
  return (
    <Form
      action={applying}
      className="form form-row"
      fields={["code"]}
      onSend={({ code = "" }) => applying.run({ code })}>
      <Field path="code" label={texts.promoCode} autoComplete="off" maxLength={64} />
      <button type="submit" disabled={applying.isRunning}>
        {texts.apply}
      </button>
    </Form>
  );
}

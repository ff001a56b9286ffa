import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { useQuery } from "urql";
import { useCart } from "../cart";
import { DELIVERY_FIELDS, DeliveryFields, readDelivery } from "../delivery";
import { AddressFragment, graphql, OrderFragment } from "../graphql";
import { Failure, Field, Form, Loading, PageHeading, useAction } from "../parts";
import { useIsLoggedIn } from "../store";
import { formatMoney, useTexts } from "../texts";
import { Totals } from "./basket";

const CreateMutation = graphql(
  `
    mutation OrderCreate($input: OrderInput!) {
      orderCreate(input: $input) { order { ...Order } token errors { code message field } }
    }
  `,
  [OrderFragment],
);
export const AddressesQuery = graphql(`query Addresses { me { id addresses { ...SavedAddress } } }`, [AddressFragment]);

const KEY = "lavka.idempotency-key";

/** Return the key of the order that is being placed. It survives a reload, so that no order is placed twice. */
function getIdempotencyKey(): string {
  let key = sessionStorage.getItem(KEY);
  if (!key) {
    key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem(KEY, key);
  }
  return key;
}

export function CheckoutPage() {
  const texts = useTexts();
  const navigate = useNavigate();
  const isLoggedIn = useIsLoggedIn();
  const { cart, error, fetching, refetch } = useCart();
  const [addresses] = useQuery({ query: AddressesQuery, pause: !isLoggedIn });
  const { errors, run, isRunning } = useAction(CreateMutation);
  const saved = addresses.data?.me?.addresses ?? [];
  const [chosen, setChosen] = useState<string | null>(null);
  const addressId = chosen ?? saved.find(({ isDefault }) => isDefault)?.id ?? "";

  async function place(values: Record<string, string>) {
    if (!cart) return;
    const delivery = addressId ? { addressId } : readDelivery(values);
    const input = {
      ...delivery,
      ...(!isLoggedIn && { email: values.email ?? "" }),
      comment: values.comment ?? "",
      expectedTotal: cart.total,
      idempotencyKey: getIdempotencyKey(),
    };
    const { payload, errors: refusals } = await run({ input });
    if (payload?.order) {
      sessionStorage.removeItem(KEY);
      const hash = payload.token ? `#token=${payload.token}` : "";
      navigate(`/order/${payload.order.number}${hash}`, { replace: true, state: { isNew: true } });
      return;
    }
    if (refusals.some(({ code }) => code === "IDEMPOTENCY_KEY_REUSED")) sessionStorage.removeItem(KEY);
    // The total or the stock may have changed meanwhile.
    refetch({ requestPolicy: "network-only" });
  }

  if (error) return <Failure error={error} retry={() => refetch({ requestPolicy: "network-only" })} />;
  if ((fetching && !cart) || addresses.fetching) return <Loading />;
  return (
    <>
      <PageHeading>{texts.checkoutTitle}</PageHeading>
      {!cart?.lines.length ? (
        <p>
          {texts.basketEmpty} <Link to="/">{texts.goShopping}</Link>
        </p>
      ) : (
        <Form
          className="columns"
          fields={["email", "comment", ...(addressId ? [] : DELIVERY_FIELDS)]}
          errors={errors}
          onSend={place}>
          <div className="form">
            {!isLoggedIn && (
              <>
                <p>
                  <Link to="/login?next=/checkout">{texts.haveAccount}</Link>
                </p>
                <Field label={texts.email} path="email" errors={errors} type="email" autoComplete="email" />
              </>
            )}
            {saved.length > 0 && (
              <fieldset>
                <legend>{texts.delivery}</legend>
                {saved.map(({ id, label, contact, deliveryAddress }) => (
                  <label key={id} className="choice">
                    <input type="radio" name="address" checked={addressId === id} onChange={() => setChosen(id)} />
                    <span>
                      {[label, contact.name, deliveryAddress.line1, deliveryAddress.city].filter(Boolean).join(", ")}
                    </span>
                  </label>
                ))}
                <label className="choice">
                  <input type="radio" name="address" checked={!addressId} onChange={() => setChosen("")} />
                  <span>{texts.otherAddress}</span>
                </label>
              </fieldset>
            )}
            {!addressId && <DeliveryFields errors={errors} />}
            <Field label={texts.comment} path="comment" errors={errors} isOptional maxLength={1000} />
          </div>
          <aside className="summary" aria-label={texts.total}>
            <ul className="plain">
              {cart.lines.map(({ id, product, quantity, lineTotal }) => (
                <li key={id}>
                  {product.name} × {quantity}
                  <span>{formatMoney(lineTotal, cart.currency)}</span>
                </li>
              ))}
            </ul>
            <Totals cart={cart} />
            <button type="submit" className="button" disabled={isRunning}>
              {texts.placeOrder(formatMoney(cart.total, cart.currency))}
            </button>
          </aside>
        </Form>
      )}
    </>
  );
}

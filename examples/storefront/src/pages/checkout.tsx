import { useState } from "react";
import { useNavigate } from "react-router";
import { useQuery } from "urql";
import { useAction } from "../actions";
import { useCart } from "../cart";
import { AddressesQuery, FIELD_PATHS, DeliveryFields, formatDelivery, readDelivery } from "../delivery";
import { Field, Form } from "../form";
import { graphql, OrderFragment } from "../graphql";
import { Choice, Empty, Loading, LoginLink, Money, Heading, Totals, Waiting } from "../parts";
import { useIsLoggedIn } from "../store";
import { formatMoney, useTexts } from "../texts";

const CreateMutation = graphql(
  `
    mutation OrderCreate($input: OrderInput!) {
      orderCreate(input: $input) { order { ...Order } token errors { code message field } }
    }
  `,
  [OrderFragment],
);
const KEY = "lavka.idempotency-key";

/** Return the key of the order that is being placed. It survives a reload, so that no order is placed twice. */
function getIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const key = sessionStorage.getItem(KEY) ?? Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  sessionStorage.setItem(KEY, key);
  return key;
}

export function CheckoutPage() {
  const texts = useTexts();
  const navigate = useNavigate();
  const isLoggedIn = useIsLoggedIn();
  const { cart, error, refetch } = useCart();
  const [addresses] = useQuery({ query: AddressesQuery, pause: !isLoggedIn });
  const creation = useAction(CreateMutation);
  const saved = addresses.data?.me?.addresses ?? [];
  const [chosen, setChosen] = useState<string | null>(null);
  const addressId = chosen ?? saved.find(({ isDefault }) => isDefault)?.id ?? "";

  async function place({ email = "", comment = "", ...delivery }: Record<string, string>) {
    if (!cart) return;
    const input = {
      ...(addressId ? { addressId } : readDelivery(delivery)),
      ...(!isLoggedIn && { email }),
      comment,
      expectedTotal: cart.total,
      idempotencyKey: getIdempotencyKey(),
    };
    const { payload, errors } = await creation.run({ input });
    if (payload?.order) {
      sessionStorage.removeItem(KEY);
      const hash = payload.token ? `#token=${payload.token}` : "";
      navigate(`/order/${payload.order.number}${hash}`, { replace: true, state: { isNew: true } });
      return;
    }
    if (errors.some(({ code }) => code === "IDEMPOTENCY_KEY_REUSED")) sessionStorage.removeItem(KEY);
    // The total or the stock may have changed meanwhile.
    refetch({ requestPolicy: "network-only" });
  }

  if (!cart) return <Waiting error={error} refetch={refetch} />;
  if (addresses.fetching) return <Loading />;
  if (!cart.lines.length) return <Empty title={texts.checkoutTitle}>{texts.basketEmpty}</Empty>;
  return (
    <>
      <Heading>{texts.checkoutTitle}</Heading>
      <Form
        action={creation}
        className="columns"
        fields={["email", "comment", ...(addressId ? [] : FIELD_PATHS)]}
        onSend={place}>
        <div className="form card">
          {!isLoggedIn && (
            <>
              <LoginLink>{texts.haveAccount}</LoginLink>
              <Field path="email" type="email" autoComplete="email" />
            </>
          )}
          {saved.length > 0 && (
            <fieldset>
              <legend>{texts.delivery}</legend>
              {saved.map((address) => (
                <Choice
                  key={address.id}
                  type="radio"
                  checked={addressId === address.id}
                  onChange={() => setChosen(address.id)}>
                  {address.label && <strong>{address.label}: </strong>}
                  {formatDelivery(address)}
                </Choice>
              ))}
              <Choice type="radio" checked={!addressId} onChange={() => setChosen("")}>
                {texts.newAddress}
              </Choice>
            </fieldset>
          )}
          {!addressId && <DeliveryFields />}
          <Field path="comment" maxLength={1000} />
        </div>
        <aside className="card summary" aria-label={texts.total}>
          <ul className="plain">
            {cart.lines.map(({ id, product, quantity, lineTotal }) => (
              <li key={id}>
                <span>
                  {product.name} <span className="money">× {quantity}</span>
                </span>
                <Money amount={lineTotal} of={cart} />
              </li>
            ))}
          </ul>
          <Totals of={cart} />
          <button type="submit" className="button" disabled={creation.isRunning}>
            {texts.placeOrder(formatMoney(cart.total, cart.currency))}
          </button>
        </aside>
      </Form>
    </>
  );
}

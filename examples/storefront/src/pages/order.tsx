import { Link, useLocation, useParams } from "react-router";
import { useAction, useAnnounce } from "../actions";
import { graphql, OrderFragment, type ResultOf } from "../graphql";
import { Empty, LoginLink, Money, Heading, Quiet, Totals, usePage } from "../parts";
import { useIsLoggedIn } from "../store";
import { formatDate, useTexts } from "../texts";

const OrderQuery = graphql(
  `
    query Order($number: String!, $token: String!, $isGuest: Boolean!) {
      order(number: $number, token: $token) @include(if: $isGuest) { ...Order }
      # Also for a guest: the order belongs to the account that has confirmed its address.
      me { id order(number: $number) { ...Order } }
    }
  `,
  [OrderFragment],
);
const CancelMutation = graphql(
  `
    mutation OrderCancel($number: String!, $token: String) {
      orderCancel(number: $number, token: $token) { order { ...Order } errors { code message field } }
    }
  `,
  [OrderFragment],
);
// URLs are logged, so the shop refuses tokens in them.
const BY_POST = { preferGetMethod: false } as const;

/** An order: a customer's own, or a guest's with the token that the link in the mail has after #. */
export function OrderPage() {
  const texts = useTexts();
  const isLoggedIn = useIsLoggedIn();
  const { number = "" } = useParams();
  const { hash, state } = useLocation();
  const token = new URLSearchParams(hash.slice(1)).get("token");
  const variables = { number, token: token ?? "", isGuest: token !== null };
  const { data, waiting } = usePage({ query: OrderQuery, variables, context: BY_POST });
  if (!data) return waiting;
  const order = data.order ?? data.me?.order;
  if (!order) {
    // It may be an order of an account.
    const login = isLoggedIn ? undefined : <LoginLink className="button">{texts.logIn}</LoginLink>;
    return <Empty {...{ title: texts.orderTitle(number), action: login }}>{texts.orderNotFound}</Empty>;
  }
  return (
    <div className="narrow">
      <Heading>{texts.orderTitle(number)}</Heading>
      {(state as { isNew?: boolean } | null)?.isNew && <p className="notice notice-good">{texts.orderThanks}</p>}
      <Details order={order} token={token} />
    </div>
  );
}

function Details({ order, token }: { order: ResultOf<typeof OrderFragment>; token: string | null }) {
  const texts = useTexts();
  const announce = useAnnounce();
  const { run, isRunning } = useAction(CancelMutation);

  async function confirmAndCancel() {
    if (!confirm(texts.cancelQuestion)) return;
    const { errors } = await run({ number: order.number, token });
    announce(errors[0]?.message ?? texts.statuses.CANCELLED);
  }

  const { contact, deliveryAddress: place } = order;
  return (
    <>
      <p>
        <span className={`status status-${order.status.toLowerCase()}`}>{texts.statuses[order.status]}</span>{" "}
        {formatDate(order.placedAt)}
      </p>
      {order.trackingUrl && (
        <p>
          <a href={order.trackingUrl} rel="noreferrer">
            {texts.tracking} {order.trackingNumber}
          </a>
        </p>
      )}
      <section aria-labelledby="items" className="card">
        <h2 id="items">{texts.items}</h2>
        <ul className="plain">
          {order.lines.map((line) => (
            <li key={line.id}>
              <span>
                {line.product ? <Link to={`/p/${line.product.slug}`}>{line.name}</Link> : line.name}{" "}
                <span className="money">× {line.quantity}</span>
                {line.cancelledQuantity > 0 && <small> ({texts.cancelledUnits(line.cancelledQuantity)})</small>}
              </span>
              <Money amount={line.lineTotal} of={order} />
            </li>
          ))}
        </ul>
        <Totals of={order} />
      </section>
      {(contact || place) && (
        <section aria-labelledby="delivery" className="card">
          <h2 id="delivery">{texts.delivery}</h2>
          <p>{[contact?.name, contact?.phone].filter(Boolean).join(", ")}</p>
          <p>{[place?.postalCode, place?.city, place?.line1, place?.line2].filter(Boolean).join(", ")}</p>
          {order.comment && <p>{order.comment}</p>}
        </section>
      )}
      <section aria-labelledby="history" className="card">
        <h2 id="history">{texts.history}</h2>
        <ol className="plain">
          {order.history.map(({ status, changedAt }) => (
            <li key={changedAt}>
              {texts.statuses[status]} <time dateTime={changedAt}>{formatDate(changedAt)}</time>
            </li>
          ))}
        </ol>
      </section>
      {order.isCancellable && (
        <Quiet disabled={isRunning} onClick={confirmAndCancel}>
          {texts.cancelOrder}
        </Quiet>
      )}
    </>
  );
}

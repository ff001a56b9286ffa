/** The frame of all pages: header with search and catalogue, main part, footer. */
import { useEffect, useId, useRef } from "react";
import { Link, NavLink, Outlet, ScrollRestoration, useLocation } from "react-router";
import { useMutation, useQuery } from "urql";
import { useCart } from "./cart";
import { graphql } from "./graphql";
import { SearchBox } from "./search-box";
import { getLanguage, type Language, language, useIsLoggedIn } from "./store";
import { useTexts } from "./texts";
import { useWishlist } from "./wishlist";

const CategoriesQuery = graphql(`
  query Categories {
    categories(depth: 4) {
      id name slug
      children { id name slug children { id name slug children { id name slug } } }
    }
  }
`);

const LanguageMutation = graphql(`
  mutation Language($code: String!) { accountUpdate(input: { language: $code }) { user { id language } } }
`);

type Node = { id: string; name: string; slug: string; children?: Node[] };

export function Layout() {
  const texts = useTexts();
  return (
    <>
      <a href="#content" className="skip">
        {texts.skip}
      </a>
      <Header />
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
      <footer>
        <p>{texts.footer}</p>
        <LanguageSwitch />
      </footer>
      {/* The first entry of each visit has the key "default", whatever its page is. */}
      <ScrollRestoration getKey={({ key, pathname, search }) => (key === "default" ? pathname + search : key)} />
    </>
  );
}

function Header() {
  const texts = useTexts();
  const isLoggedIn = useIsLoggedIn();
  const { cart } = useCart();
  const { total } = useWishlist();
  const { pathname, search } = useLocation();
  const searched = pathname === "/search" ? (new URLSearchParams(search).get("q") ?? "") : "";
  return (
    <header>
      <div className="bar">
        <Link to="/" className="logo">
          Lavka
        </Link>
        <Catalogue />
        <SearchBox key={`${pathname} ${searched}`} initial={searched} />
        <nav className="personal" aria-label={texts.account}>
          <NavLink to="/favourites">
            {texts.favourites}
            {!!total && <span className="count">{total}</span>}
          </NavLink>
          <NavLink to={isLoggedIn ? "/me" : "/login"}>{isLoggedIn ? texts.account : texts.logIn}</NavLink>
          <NavLink to="/basket" className="basket-link">
            {texts.basket}
            {!!cart?.totalQuantity && <span className="count">{cart.totalQuantity}</span>}
          </NavLink>
        </nav>
      </div>
    </header>
  );
}

/** The category tree in a dialog, which opens at the level of all roots. */
function Catalogue() {
  const texts = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const { pathname } = useLocation();
  const [{ data }] = useQuery({ query: CategoriesQuery });
  useEffect(() => dialog.current?.close(), [pathname]);
  return (
    <>
      <button type="button" className="menu-button" onClick={() => dialog.current?.showModal()}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M3 6h18M3 12h18M3 18h18" />
        </svg>
        {texts.menu}
      </button>
      <dialog ref={dialog} aria-labelledby={heading} className="catalogue">
        <div className="catalogue-head">
          <h2 id={heading}>{texts.menu}</h2>
          <button type="button" onClick={() => dialog.current?.close()}>
            {texts.close}
          </button>
        </div>
        <nav aria-label={texts.menu}>
          <Branch categories={data?.categories ?? []} />
        </nav>
      </dialog>
    </>
  );
}

function Branch({ categories }: { categories: Node[] }) {
  return (
    <ul>
      {categories.map(({ id, name, slug, children }) => (
        <li key={id}>
          <Link to={`/c/${slug}`}>{name}</Link>
          {!!children?.length && <Branch categories={children} />}
        </li>
      ))}
    </ul>
  );
}

function LanguageSwitch() {
  const texts = useTexts();
  const isLoggedIn = useIsLoggedIn();
  const [, update] = useMutation(LanguageMutation);
  function choose(code: Language) {
    language.set(code);
    // Mails follow the account.
    if (isLoggedIn) void update({ code });
  }
  const languages: [Language, string][] = [
    ["en", "English"],
    ["ru", "Русский"],
  ];
  return (
    <div role="group" aria-label={texts.language} className="languages">
      {languages.map(([code, name]) => (
        <button key={code} type="button" lang={code} aria-pressed={code === getLanguage()} onClick={() => choose(code)}>
          {name}
        </button>
      ))}
    </div>
  );
}

/** The frame of all pages: header with search and catalogue, main part, footer. */
import { Suspense, useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { Link, NavLink, Outlet, useLocation, useNavigationType } from "react-router";
import { useMutation } from "urql";
import { useCart } from "./cart";
import { graphql } from "./graphql";
import { Icon, type IconName } from "./icon";
import { Loading, useLoginPath, usePage } from "./parts";
import { SearchBox } from "./search-box";
import { getLanguage, language, listenToOtherTabs, useIsLoggedIn } from "./store";
import { useTexts } from "./texts";
import { AllWishes, useWishlist } from "./wishlist";

const LanguageMutation = graphql(`
  mutation Language($code: String!) { accountUpdate(input: { language: $code }) { user { id language } } }
`);
const BranchQuery = graphql(`
  query Branch($slug: String!, $isRoot: Boolean!) {
    categories(depth: 2) @include(if: $isRoot) { id name slug children { id } }
    category(slug: $slug) @skip(if: $isRoot) { id children { id name slug children { id } } }
  }
`);
type Category = { id: string; name: string; slug: string; children: { id: string }[] };

/** Scroll to a position as soon as the page is high enough, unless the shopper acts before. Return its cancellation. */
function scrollWhenReady(top: number): () => void {
  const tries = new AbortController();
  const observer = new ResizeObserver(() => {
    scrollTo(0, top);
    if (scrollY >= top - 1) observer.disconnect();
  });
  // The browser must not move the page when products above are loaded.
  if (top) document.body.style.overflowAnchor = "none";
  tries.signal.addEventListener("abort", () => (observer.disconnect(), (document.body.style.overflowAnchor = "")));
  for (const name of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    addEventListener(name, () => tries.abort(), { passive: true, signal: tries.signal });
  }
  scrollTo(0, top);
  observer.observe(document.body);
  return () => tries.abort();
}

/** Scroll to the top of a new page, and to where a page was left when the history returns to it. */
function useScrollPosition(): void {
  const { key, pathname, search } = useLocation();
  const action = useNavigationType();
  const shownPath = useRef<string | null>(null);
  // The first entry of each visit has the key "default", whatever its page is.
  const name = `lavka.scroll.${key === "default" ? pathname + search : key}`;
  useLayoutEffect(() => {
    const [load] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
    const isNewVisit = shownPath.current === null && load?.type === "navigate";
    const isSamePage = action === "REPLACE" && pathname === shownPath.current;
    shownPath.current = pathname;
    // A replaced URL of the same page has other filters.
    if (isSamePage) return;
    const top = action === "POP" && !isNewVisit ? Number(sessionStorage.getItem(name)) : 0;
    return scrollWhenReady(top);
  }, [action, name, pathname]);
  useEffect(() => {
    history.scrollRestoration = "manual";
    const save = () => sessionStorage.setItem(name, String(scrollY));
    addEventListener("scroll", save, { passive: true });
    return () => removeEventListener("scroll", save);
  }, [name]);
}

export function Layout() {
  const texts = useTexts();
  const { total } = useWishlist();
  useScrollPosition();
  return (
    <>
      <a href="#content" className="skip">
        {texts.skip}
      </a>
      <Header />
      {/* A change moves products from one page to another, so the pages are read again. */}
      <AllWishes key={total} />
      <main id="content" tabIndex={-1}>
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </main>
      <footer>{texts.footer}</footer>
    </>
  );
}

function Header() {
  const texts = useTexts();
  const isLoggedIn = useIsLoggedIn();
  const loginPath = useLoginPath();
  const { cart, refetch } = useCart();
  const { total, refetch: refetchWishes } = useWishlist();
  const { pathname, search } = useLocation();
  const readAgain = () => [refetch, refetchWishes].forEach((read) => read({ requestPolicy: "network-only" }));
  useEffect(() => listenToOtherTabs(readAgain));
  const searched = pathname === "/search" ? (new URLSearchParams(search).get("q") ?? "") : "";
  return (
    <header>
      <div className="bar">
        <Link to="/" className="logo">
          Lavka
        </Link>
        <Catalogue />
        <SearchBox key={`${pathname} ${searched}`} initial={searched} />
        <nav className="personal" aria-label={`${texts.account}, ${texts.basket}`}>
          <Personal to="/favourites" icon="heart" label={texts.favourites} count={total} />
          <Personal
            to={isLoggedIn ? "/me" : loginPath}
            icon="person"
            label={isLoggedIn ? texts.account : texts.logIn}
          />
          <Personal to="/basket" icon="basket" label={texts.basket} count={cart?.totalQuantity} />
        </nav>
        <LanguageSwitch />
      </div>
    </header>
  );
}

function Personal({ to, icon, label, count }: { to: string; icon: IconName; label: string; count?: number }) {
  return (
    <NavLink to={to} className={`${icon}-link`}>
      <Icon name={icon} />
      <span className="label">{label}</span>
      {!!count && <span className="count">{count}</span>}
    </NavLink>
  );
}

/** The category tree in a dialog. Its levels are loaded when they are opened, at any depth. */
function Catalogue() {
  const texts = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const { key } = useLocation();
  const [isAsked, setIsAsked] = useState(false);
  useEffect(() => dialog.current?.close(), [key]);
  return (
    <>
      <button type="button" className="menu-button" onClick={() => (setIsAsked(true), dialog.current?.showModal())}>
        <Icon name="menu" />
        <span className="label">{texts.menu}</span>
      </button>
      <dialog ref={dialog} closedby="any" aria-labelledby={heading} className="catalogue">
        <div className="catalogue-head">
          <h2 id={heading}>{texts.menu}</h2>
          <button type="button" aria-label={texts.close} onClick={() => dialog.current?.close()}>
            <Icon name="close" />
          </button>
        </div>
        {isAsked && <Branch />}
      </dialog>
    </>
  );
}

function Entry({ category: { name, slug, children } }: { category: Category }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <li>
      {children.length === 0 ? (
        <Link to={`/c/${slug}`}>{name}</Link>
      ) : (
        <details onToggle={({ currentTarget }) => setIsOpen(currentTarget.open)}>
          <summary>
            {name} <Icon name="expand" />
          </summary>
          {isOpen && <Branch slug={slug} />}
        </details>
      )}
    </li>
  );
}

/** The children of a category, or else the roots. */
function Branch({ slug = "" }: { slug?: string }) {
  const texts = useTexts();
  const { data, waiting } = usePage({ query: BranchQuery, variables: { slug, isRoot: !slug } });
  if (!data) return waiting;
  return (
    <ul>
      {slug && (
        <li>
          <Link to={`/c/${slug}`}>{texts.allProducts}</Link>
        </li>
      )}
      {(data.categories ?? data.category?.children)?.map((category) => (
        <Entry key={category.id} category={category} />
      ))}
    </ul>
  );
}

function LanguageSwitch() {
  const isLoggedIn = useIsLoggedIn();
  const [, update] = useMutation(LanguageMutation);
  const other = getLanguage() === "en" ? "ru" : "en";
  function change() {
    language.set(other);
    // Mails follow the account.
    if (isLoggedIn) void update({ code: other });
  }
  return (
    <button type="button" className="language" lang={other} onClick={change}>
      <span className="visually-hidden">{other === "ru" ? "Русский" : "English"}</span>
      <span aria-hidden="true">{other}</span>
    </button>
  );
}

/** The pages. The shop serves the storefront for these paths only: see backend/core/storefront.py. */
import { type ComponentType, lazy } from "react";
import type { RouteObject } from "react-router";
import { Layout } from "./layout";
import { HomePage } from "./pages/home";
import { BrandPage, CategoryPage, SearchPage } from "./pages/lists";
import { ProductPage } from "./pages/product";
import { Failure, NotFoundPage } from "./parts";

/** In the place of a page whose script is missing: the shop cannot be reached, or an update has renamed the script. */
const Unloaded = () => <Failure refetch={() => navigator.onLine && location.reload()} />;

/** A page that is loaded when it is first opened. Those that visits begin with come with the first script. */
function page<Name extends string>(name: Name, load: () => Promise<Record<Name, ComponentType>>) {
  const Page = lazy(async () => ({ default: (await load().catch(() => null))?.[name] ?? Unloaded }));
  return <Page />;
}

const account = () => import("./pages/account");
const me = () => import("./pages/me");
export const routes: RouteObject[] = [
  {
    element: <Layout />,
    children: [
      { index: true, element: <HomePage /> },
      { path: "c/:slug", element: <CategoryPage /> },
      { path: "b/:slug", element: <BrandPage /> },
      { path: "p/:slug", element: <ProductPage /> },
      { path: "search", element: <SearchPage /> },
      { path: "basket", element: page("BasketPage", () => import("./pages/basket")) },
      { path: "checkout", element: page("CheckoutPage", () => import("./pages/checkout")) },
      { path: "order/:number", element: page("OrderPage", () => import("./pages/order")) },
      { path: "favourites", element: page("FavouritesPage", () => import("./pages/favourites")) },
      { path: "login", element: page("LoginPage", account) },
      { path: "register", element: page("RegisterPage", account) },
      { path: "reset", element: page("ResetPage", account) },
      {
        path: "me",
        element: page("AccountLayout", me),
        children: [
          { index: true, element: page("ProfilePage", me) },
          { path: "orders", element: page("OrdersPage", me) },
          { path: "addresses", element: page("AddressesPage", me) },
        ],
      },
      { path: "*", element: <NotFoundPage /> },
    ],
  },
];

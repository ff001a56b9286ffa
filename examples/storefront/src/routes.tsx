/** The pages. The shop serves the storefront for these paths only: see backend/core/storefront.py. */
import type { RouteObject } from "react-router";
import { Layout } from "./layout";
import { LoginPage, RegisterPage, ResetPage } from "./pages/account";
import { BasketPage } from "./pages/basket";
import { CheckoutPage } from "./pages/checkout";
import { FavouritesPage } from "./pages/favourites";
import { HomePage } from "./pages/home";
import { BrandPage, CategoryPage, SearchPage } from "./pages/lists";
import { AccountLayout, AddressesPage, OrdersPage, ProfilePage } from "./pages/me";
import { NotFoundPage } from "./pages/not-found";
import { OrderPage } from "./pages/order";
import { ProductPage } from "./pages/product";

export const routes: RouteObject[] = [
  {
    element: <Layout />,
    children: [
      { index: true, element: <HomePage /> },
      { path: "c/:slug", element: <CategoryPage /> },
      { path: "b/:slug", element: <BrandPage /> },
      { path: "p/:slug", element: <ProductPage /> },
      { path: "search", element: <SearchPage /> },
      { path: "basket", element: <BasketPage /> },
      { path: "checkout", element: <CheckoutPage /> },
      { path: "order/:number", element: <OrderPage /> },
      { path: "favourites", element: <FavouritesPage /> },
      { path: "login", element: <LoginPage /> },
      { path: "register", element: <RegisterPage /> },
      { path: "reset", element: <ResetPage /> },
      {
        path: "me",
        element: <AccountLayout />,
        children: [
          { index: true, element: <ProfilePage /> },
          { path: "orders", element: <OrdersPage /> },
          { path: "addresses", element: <AddressesPage /> },
        ],
      },
      { path: "*", element: <NotFoundPage /> },
    ],
  },
];

/** Starts the storefront: the client, the language and the routes. */
import { StrictMode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter } from "react-router";
import { RouterProvider } from "react-router/dom";
import { Provider } from "urql";
import { createClient } from "./client";
import { AnnounceContext } from "./parts";
import { routes } from "./routes";
import { getLanguage, useIsLoggedIn, useLanguage } from "./store";
import "./styles.css";
import { LanguageContext } from "./texts";

// Long enough to read a sentence.
const ANNOUNCEMENT_MS = 5000;

const router = createBrowserRouter(routes);

function App() {
  const isLoggedIn = useIsLoggedIn();
  // What a viewer has seen must not be shown to the next one.
  const client = useMemo(() => createClient(isLoggedIn), [isLoggedIn]);
  useLanguage();
  const current = getLanguage();
  useEffect(() => {
    document.documentElement.lang = current;
  }, [current]);
  const [message, setMessage] = useState("");
  const timer = useRef(0);
  const announce = useCallback((text: string) => {
    clearTimeout(timer.current);
    setMessage(text);
    timer.current = window.setTimeout(() => setMessage(""), ANNOUNCEMENT_MS);
  }, []);
  return (
    <LanguageContext value={current}>
      <AnnounceContext value={announce}>
        <Provider value={client}>
          <RouterProvider router={router} />
        </Provider>
        <output className={message ? "toast toast-visible" : "toast"}>{message}</output>
      </AnnounceContext>
    </LanguageContext>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

/** Starts the storefront: the client, the language and the routes. */
import { StrictMode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, useRoutes } from "react-router";
import { Provider } from "urql";
import { AnnounceContext } from "./actions";
import { createClient } from "./client";
import { routes } from "./routes";
import { useIsLoggedIn, useLanguage } from "./store";
import "./styles.css";

// Long enough to read a sentence.
const ANNOUNCEMENT_MS = 5000;

const Pages = () => useRoutes(routes);

function App() {
  const isLoggedIn = useIsLoggedIn();
  // What a viewer has seen must not be shown to the next one.
  const client = useMemo(() => createClient(isLoggedIn), [isLoggedIn]);
  const language = useLanguage();
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const [message, setMessage] = useState("");
  const timer = useRef(0);
  const announce = useCallback((text: string) => {
    clearTimeout(timer.current);
    setMessage(text);
    timer.current = window.setTimeout(() => setMessage(""), ANNOUNCEMENT_MS);
  }, []);
  return (
    <AnnounceContext value={announce}>
      <Provider value={client}>
        {/* In a transition, React would reset a checkbox until the list is rendered. */}
        <BrowserRouter useTransitions={false}>
          <Pages />
        </BrowserRouter>
      </Provider>
      <output className={message ? "toast toast-visible" : "toast"}>{message}</output>
    </AnnounceContext>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

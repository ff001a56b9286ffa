// Start Swagger UI with the settings of the page.

// A route that guests may use too has an empty alternative in its `security`. Swagger UI counts that one as
// fulfilled and would show a closed lock to everybody. Without it, the lock closes after the login.
const optionalLogin = () => ({
    statePlugins: {
        auth: {
            wrapSelectors: {
                isAuthorized: (original) => (state, securities) =>
                    original(securities && securities.filter((security) => security.size > 0)),
            },
        },
    },
});

SwaggerUIBundle({
    ...JSON.parse(document.getElementById("swagger-settings").textContent),
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [optionalLogin],
});

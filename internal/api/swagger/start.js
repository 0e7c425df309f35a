// Shows the API's document with Swagger UI. Every address is relative to the page: it may be below a path of a proxy.
(async () => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();

  const root = new URL(".", document.baseURI);
  const response = await fetch(new URL("api/v1/openapi.json", root));
  if (!response.ok) {
    document.getElementById("api").textContent = `The document could not be loaded: ${response.status} ${response.statusText}`;
    return;
  }
  const spec = await response.json();
  // What is tried out goes to the server that the page is from, by the way that the page came.
  spec.servers = [{ url: root.href.replace(/\/$/, "") }];
  SwaggerUIBundle({ dom_id: "#api", spec, deepLinking: true, docExpansion: "list", defaultModelsExpandDepth: 0, validatorUrl: null });
})();

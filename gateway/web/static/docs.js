// The API's description, drawn by the vendored Swagger UI from this gateway's own document.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger", deepLinking: true, validatorUrl: null });

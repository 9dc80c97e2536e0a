// What goes wrong with a part of a page is told, until something goes right again.

const place = document.getElementById("trouble");

function told(request) {
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return request.status ? `the gateway answered ${request.status}` : "the gateway does not answer";
  }
}

document.addEventListener("htmx:afterRequest", (event) => {
  const { successful, xhr } = event.detail;
  place.hidden = successful;
  if (!successful) place.textContent = `Not now: ${told(xhr)}`;
});

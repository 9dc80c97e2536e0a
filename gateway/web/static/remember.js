// What this browser remembers of its reader's choices; where it may keep nothing, nothing is remembered.

const PREFIX = "cxr-gateway-";

export function remembered(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // the choice holds until the page is left
  }
}

// The renderer of OHIF, which needs a browser: it draws nothing, and keeps the annotations that it is given.

export const annotations = [];
export const tools = {};

export const utilities = {
  contours: {},
  imageToWorldCoords: (_image, point) => [...point, 0],
  throttle: (action) => action,
};

// Cornerstone3D core
export const Enums = { MetadataModules: {} };
export const cache = {};
export const eventTarget = {};
export const imageLoader = {};
export const metaData = {
  addProvider: () => {},
  get: () => ({ rowCosines: [1, 0, 0], columnCosines: [0, 1, 0] }),
};
export const triggerEvent = () => {};
export const getEnabledElement = () => {};

// Cornerstone3D tools
export class AnnotationTool {}
export {
  AnnotationTool as AngleTool,
  AnnotationTool as ArrowAnnotateTool,
  AnnotationTool as BidirectionalTool,
  AnnotationTool as CircleROITool,
  AnnotationTool as CobbAngleTool,
  AnnotationTool as EllipticalROITool,
  AnnotationTool as LengthTool,
  AnnotationTool as PlanarFreehandROITool,
  AnnotationTool as RectangleROITool,
};
export const addTool = (tool) => {
  tools[tool.toolName] = tool;
};
export const annotation = {
  config: { style: { setToolGroupToolStyles: () => {} } },
  locking: {},
  state: { addAnnotation: (given) => annotations.push(given) },
};

-- The PACS sends every instance that it stores to the gateway, its own results included. Patients who came in
-- without their identity are reconciled on arrival: the study gets the Patient ID that is known by now.

local reconciled = { ['EMERGENCY-1'] = 'P-0042' }

local function reconcile(instance, patient)
   local change = { Replace = { PatientID = patient }, Force = true,
                    Keep = { 'StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID' } }
   local coerced = RestApiPost('/instances/' .. instance .. '/modify', DumpJson(change, true))
   RestApiDelete('/instances/' .. instance)
   RestApiPost('/instances', coerced)
end

local function route(instance)
   local job = { Resources = { instance }, Asynchronous = true }
   RestApiPost('/modalities/introduced/store', DumpJson(job, true))
end

function OnStoredInstance(instance, tags)
   local patient = reconciled[tags['PatientID']]
   if patient then
      reconcile(instance, patient)  -- stored anew, and routed then
   else
      route(instance)
   end
end

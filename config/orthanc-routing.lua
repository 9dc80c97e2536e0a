-- Orthanc sends each radiograph that arrives on to the gateway; what comes from there stays.
function OnStoredInstance(instanceId, tags, metadata, origin)
   local isRadiograph = tags['Modality'] == 'CR' or tags['Modality'] == 'DX'
   if isRadiograph and origin['RemoteAet'] ~= 'CXR_GATEWAY' then
      SendToModality(instanceId, 'gateway')
   end
end
